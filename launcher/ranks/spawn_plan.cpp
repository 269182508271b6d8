#include "launcher/ranks/spawn_plan.hpp"

#include <algorithm>

#include "launcher/options/shell_words.hpp"
#include "launcher/ranks/start_checks.hpp"

namespace vitrail::launcher {
namespace {

// One rank per `run.threads` processors of this host, but no rank without a lane.
std::int64_t slots(const trainer::Config& config, const Processors& processors) {
  const std::int64_t fitting = processors.count() / config.run.threads;
  return std::clamp<std::int64_t>(fitting, 1, config.lane_groups());
}

// Every rank gets its share of the host's processors, not just `run.threads`: its decode threads work there
// too. mpirun knows nothing of a mask by sched_setaffinity and would bind ranks outside of it: unbound, they
// inherit it.
SpawnPlan by_mpirun(std::int64_t ranks, const Environment& environment, const Processors& processors,
                    bool root) {
  check_host_name(environment.host);
  SpawnPlan plan;
  plan.words = {"mpirun", "-n", std::to_string(ranks)};
  if (root) plan.words.emplace_back("--allow-run-as-root");
  // Half of a job's variables are enough for Open MPI to look for the other half, and to fail.
  if (!environment.no_job.empty()) plan.words.insert(plan.words.end(), {"--mca", "ras", "^slurm"});
  const int count = processors.count();
  const std::int64_t share = processors.may_be_bound() ? count / ranks : 0;
  const std::vector<std::string> placing =
      share > 0 ? std::vector<std::string>{"--use-hwthread-cpus", "--map-by",
                                           fmt::format("slot:PE={}", share), "--bind-to", "hwthread"}
                : std::vector<std::string>{"--oversubscribe", "--bind-to", "none"};
  plan.words.insert(plan.words.end(), placing.begin(), placing.end());
  plan.summary = fmt::format("{} rank{} by mpirun on this host, ", ranks, ranks == 1 ? "" : "s") +
                 (share > 0 ? fmt::format("bound to {} processor{}{}", share, share == 1 ? "" : "s",
                                          ranks == 1 ? "" : " each")
                  : ranks > count
                      ? fmt::format("more than its {} processor{}: not bound", count, count == 1 ? "" : "s")
                      : fmt::format("sharing {} of its {} processors: not bound", count, processors.offered));
  return plan;
}

SpawnPlan by_srun(const LaunchConfig& launch, const SlurmJob& job, std::int64_t ranks, std::int64_t nodes) {
  SpawnPlan plan;
  plan.words = {"srun"};
  if (!launch.mpi.empty()) plan.words.push_back("--mpi=" + launch.mpi);
  // --export: a job submitted with --export=NONE would otherwise keep from the ranks what launch tells them.
  // --wait: where a node's slurmstepd is gone, srun would wait for its tasks until the time limit, long after
  // the others ended; ranks end within seconds of each other.
  plan.words.insert(plan.words.end(), {"--export=ALL", "--kill-on-bad-exit=1", "--wait=120",
                                       fmt::format("--nodes={}", nodes), fmt::format("--ntasks={}", ranks)});
  // srun forgets what sbatch was told about processors per task.
  if (job.cpus_per_task) plan.words.push_back(fmt::format("--cpus-per-task={}", *job.cpus_per_task));
  const auto more = shell_words(launch.srun_args).value_or(std::vector<std::string>{});
  plan.words.insert(plan.words.end(), more.begin(), more.end());
  plan.summary = fmt::format("{} rank{} by srun on {} node{}", ranks, ranks == 1 ? "" : "s", nodes,
                             nodes == 1 ? "" : "s");
  return plan;
}

}  // namespace

SpawnPlan plan_spawn(const Launch& asked, const Environment& environment, const std::string& program,
                     const Processors& processors, bool root) {
  const LaunchConfig& launch = asked.how;
  const bool in_slurm = environment.slurm.has_value();
  check_started_once(environment);
  if (launch.via == Via::srun && !in_slurm) {
    throw Error(
        ExitCode::refused,
        environment.no_job.empty()
            ? "launch.via = srun, but this is no Slurm job (SLURM_JOB_ID is not set)"
            : fmt::format("launch.via = srun, but this is only a part of a Slurm job: its id is set, {} is "
                          "missing or no number",
                          environment.no_job),
        "submit it with sbatch, or leave launch.via out");
  }
  const bool srun = launch.via == Via::srun || (launch.via == Via::automatic && in_slurm);
  if (!srun && launch.nodes.value_or(1) > 1) {
    throw Error(ExitCode::refused,
                fmt::format("--nodes {}: without Slurm, ranks start on this host only", *launch.nodes),
                "submit the job with sbatch");
  }
  const std::int64_t nodes = launch.nodes.value_or(srun ? environment.slurm->nodes : 1);
  std::int64_t ranks = launch.ranks.value_or(0);
  if (ranks == 0) {
    const std::int64_t per_node = launch.gpus_per_node.value_or(slots(asked.config, processors));
    ranks = std::min(nodes * per_node, asked.config.lane_groups());
  }
  SpawnPlan plan = srun ? by_srun(launch, *environment.slurm, ranks, nodes)
                        : by_mpirun(ranks, environment, processors, root);
  plan.words.push_back(program);
  plan.words.push_back(asked.command);
  plan.words.insert(plan.words.end(), asked.words.begin(), asked.words.end());
  return plan;
}

}  // namespace vitrail::launcher
