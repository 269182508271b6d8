#include "launcher/ranks/start_checks.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <unistd.h>

namespace vitrail::launcher {
namespace {

constexpr std::size_t kLongestHost = 56;  // letters

constexpr const char* kUsePmix =
    "this Open MPI wants srun --mpi=pmix: set launch.mpi = pmix, for job scripts mpi in slurm/site.sh "
    "(VITRAIL_MPI); `srun --mpi=list` shows what this Slurm has";

// With which srun ends a step whose first task has gone.
void hold_termination() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

void check_joined(const Environment& environment) {
  const Unjoined& unjoined = environment.unjoined;
  if (unjoined.tasks < 2) return;
  throw Error(ExitCode::refused,
              fmt::format("{} tasks were started by {}, which this Open MPI does not join to one world: each "
                          "would be alone",
                          unjoined.tasks, unjoined.by),
              kUsePmix);
}

void check_started_once(const Environment& environment) {
  const std::int64_t tasks = std::max(environment.world, environment.unjoined.tasks);
  if (tasks < 2) return;
  throw Error(
      ExitCode::refused,
      fmt::format("vitrail launch starts the ranks itself, but this is one of {} that were started together",
                  tasks),
      "start it once, without srun or mpirun; or start vitrail train by them");
}

void check_alone(const Environment& environment, const std::string& command) {
  const std::int64_t tasks = std::max(environment.world, environment.unjoined.tasks);
  if (tasks < 2) return;
  const Error error(
      ExitCode::refused,
      fmt::format("`vitrail {}` runs as one process, but {} were started together", command, tasks),
      fmt::format("start it once: without mpirun, or by srun -n 1 vitrail {}", command));
  end_before_world(environment, error, false);
}

void check_world(const Environment& environment, int rank, int size) {
  if (size == environment.world && rank == environment.rank) return;
  throw Error(ExitCode::refused,
              fmt::format("{} of {} by the launcher's word, but rank {} of {} by MPI's: they do not match",
                          environment.launcher == Launcher::slurm ? fmt::format("task {}", environment.rank)
                                                                  : fmt::format("rank {}", environment.rank),
                          environment.world, rank, size),
              environment.launcher == Launcher::slurm
                  ? kUsePmix
                  : "start it with the mpirun of the Open MPI that vitrail was built with; in a shell that "
                    "mpirun opened, unset the variables OMPI_*");
}

void check_host_name(const std::string& host) {
  const std::size_t letters = host.find('.') == std::string::npos ? host.size() : host.find('.');
  if (letters <= kLongestHost) return;
  throw Error(
      ExitCode::refused,
      fmt::format("this host's name, {}, has {} letters before the first dot: Open MPI 4.1's mpirun "
                  "crashes on more than {}",
                  host, letters, kLongestHost),
      "give the host or container a shorter name (hostname, --hostname), start ranks by srun in a Slurm "
      "job, or train on one rank: vitrail train");
}

void end_before_world(const Environment& environment, const Error& error, bool on_each_node) {
  const bool joined = environment.unjoined.tasks < 2;
  const std::int64_t number = !joined        ? environment.unjoined.number
                              : on_each_node ? environment.local_rank
                                             : environment.rank;
  hold_termination();
  if (number == 0) {
    std::string text =
        fmt::format("vitrail: {}{}\n", on_each_node ? environment.host + ": " : "", error.what());
    if (!error.hint().empty()) text += fmt::format("  hint: {}\n", error.hint());
    std::fputs(text.c_str(), stderr);
  }
  std::fflush(nullptr);
  constexpr std::chrono::seconds kForTheOthers{2};
  std::this_thread::sleep_for(kForTheOthers);
  std::_Exit(static_cast<int>(error.code()));
}

}  // namespace vitrail::launcher
