// vitrail launch: starts the ranks, passes signals on, and says how they ended. Success is what the run
// itself recorded (finished.json), not what mpirun or srun return: srun ends with 0 also when it could not
// start a rank.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

#include <unistd.h>

#include "launcher/cli/frozen_settings.hpp"
#include "launcher/commands/schedule/print_schedule.hpp"
#include "launcher/doctor/examine.hpp"
#include "launcher/doctor/facts/slurm.hpp"
#include "launcher/doctor/flags.hpp"
#include "launcher/options/shell_words.hpp"
#include "launcher/ranks/child_process.hpp"
#include "launcher/ranks/job_time.hpp"
#include "launcher/ranks/rank_deaths.hpp"
#include "launcher/ranks/session_folder.hpp"
#include "launcher/ranks/spawn_plan.hpp"
#include "launcher/ranks/start_checks.hpp"
#include "launcher/watch/live_line.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/log.hpp"
#include "trainer/base/processors.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/finished_run.hpp"
#include "trainer/checkpoint/run_progress.hpp"
#include "trainer/settings/validate.hpp"
#include "trainer/sharding_plan.hpp"

namespace vitrail::launcher {
namespace {

struct LaunchFlags : LaunchConfig, PrintSchedule, DoctorFlags {
  bool check = false, doctor = false;
  std::string time_limit;  // of --check
  std::optional<std::int64_t> signal_lead;
};

// Instead of training.
void add_examinations(FlagTable<LaunchFlags>& flags) {
  const Condition checked{"", "--check",
                          [](const CommandLine& line) { return line.own<LaunchFlags>().check; }};
  const Condition examined{"", "--doctor",
                           [](const CommandLine& line) { return line.own<LaunchFlags>().doctor; }};
  flags.add(
      "check", &LaunchFlags::check,
      {.help =
           "look at all that can be known of the job before it waits in the queue: settings, run folder and "
           "room, data, Slurm; start nothing"});
  flags.add("time-limit", &LaunchFlags::time_limit,
            {.help = "of the job, as sbatch --time has it",
             .placeholder = "TIME",
             .absent = "that of the job around",
             .when = {checked}},
            {"minutes, HH:MM:SS or D-HH:MM:SS", [](const std::string& text) {
               return text.empty() || text == "UNLIMITED" || sbatch_seconds(text);
             }});
  flags.add("signal-lead", &LaunchFlags::signal_lead,
            {.help = "how long before that the job's warning comes, as sbatch --signal=B:USR1@SECONDS has it",
             .bounds = from_to(0, 65535),
             .unit = "seconds",
             .absent = "no warning is known of",
             .when = {checked}});
  flags.add("doctor", &LaunchFlags::doctor,
            {.help = "start `vitrail doctor` on the ranks instead of the run"});
  add_doctor_flags(flags, {examined});
}

std::vector<Option> launch_options() {
  const Condition without_ranks{"ranks", "no --ranks",
                                [](const CommandLine& line) { return !line.own<LaunchFlags>().ranks; }};
  const Condition with_srun{"launch.via", "launch.via = auto or srun", [](const CommandLine& line) {
                              return line.own<LaunchFlags>().via != Via::mpirun;
                            }};
  FlagTable<LaunchFlags> flags;
  flags.add("ranks", &LaunchFlags::ranks,
            {.help = "world size; at most run.lanes",
             .bounds = from_to(1, 65536),
             .unit = "ranks",
             .absent = "one for each GPU or slot",
             .letter = 'n'});
  flags.add("nodes", &LaunchFlags::nodes,
            {.help = "spread over so many nodes",
             .bounds = from_to(1, 65536),
             .unit = "nodes",
             .absent = "those of the job"});
  flags.add("gpus-per-node", &LaunchFlags::gpus_per_node,
            {.help = "ranks on each node, one for each GPU",
             .bounds = from_to(1, 64),
             .unit = "GPUs",
             .absent = "one rank for each GPU or slot that is seen",
             .when = {without_ranks}});
  add_examinations(flags);
  flags.config_files();
  add_print_schedule(flags, {"", "--check, --doctor or --print-schedule", [](const CommandLine& line) {
                               const auto& given = line.own<LaunchFlags>();
                               return given.print_schedule || given.check || given.doctor;
                             }});

  flags.choice("launch.via", &LaunchFlags::via,
               {{Via::automatic, "auto"}, {Via::srun, "srun"}, {Via::mpirun, "mpirun"}},
               {.help = "who starts the ranks; auto: srun inside a Slurm job, else mpirun"});
  flags.add(
      "launch.mpi", &LaunchFlags::mpi,
      {.help = "how srun joins ranks to one world, its --mpi; Open MPI 4.1 wants pmix; empty: the site's "
               "default",
       .placeholder = "NAME"});
  flags.add("launch.srun_args", &LaunchFlags::srun_args,
            {.help = "more arguments for srun", .when = {with_srun}}, {kShellWords, is_shell_words});
  return flags.done();
}

void check_ranks(const CommandLine& line) {
  const auto& flags = line.own<LaunchFlags>();
  if (flags.check || flags.doctor) return;  // they say so in their table
  trainer::validate(line.config);
  const std::int64_t ranks = line.own<LaunchFlags>().ranks.value_or(1), lanes = line.config.run.lanes;
  if (ranks > 1 && line.config.sharding.communicator == sharding::CommunicatorKind::local) {
    throw Error(ExitCode::refused, fmt::format("sharding.communicator = local cannot join {} ranks", ranks),
                "leave sharding.communicator out");
  }
  if (ranks > lanes) {
    throw Error(ExitCode::refused,
                fmt::format("--ranks {} with run.lanes = {}: a rank without a lane would have nothing to do; "
                            "start at most {} ranks, or choose more lanes for a new run",
                            ranks, lanes, lanes));
  }
  trainer::check_groups(line.config, ranks);
}

std::string said(const std::string& text) { return fmt::format("vitrail launch: {}\n", text); }

void say(const std::string& text) {
  std::fputs(said(text).c_str(), stderr);  // a full stderr stops nothing
}

// In the log of a run that has begun, too: ranks that were killed left nothing there.
void keep(const trainer::RunDirectory& directory, const std::string& text) {
  std::error_code none;
  if (!std::filesystem::exists(directory.log(), none)) return;
  Log log(false);
  log.open(directory.log(), directory.events());
  log.keep(said(text));
}

// Empty where there is none.
std::string finished_text(const trainer::RunDirectory& directory) {
  std::error_code none;
  return std::filesystem::is_regular_file(directory.finished(), none) ? read_text(directory.finished()) : "";
}

// The record has this launch's name; or none, where srun passes on no variables (sbatch --export=NONE), and
// it was written since `before`; or it is that of `before`, of a run that is not to be extended. A file
// system over a network may show a file of another node a moment late.
bool has_finished(const trainer::RunDirectory& directory, const std::string& launch,
                  const std::string& before, bool extends) {
  if (!before.empty() && !extends && finished_text(directory) == before) return true;
  constexpr int kLooks = 20;
  constexpr std::chrono::milliseconds kBetween{100};
  for (int look = 0; look < kLooks; ++look) {
    if (look > 0) std::this_thread::sleep_for(kBetween);
    const auto finished = trainer::read_finished(directory);
    if (!finished) continue;
    if (finished->launch == launch) return true;
    if (finished->launch.empty() && finished_text(directory) != before) return true;
  }
  return false;
}

// What the same command does next.
std::string what_next(const trainer::RunDirectory& directory) {
  const auto progress = trainer::run_progress(directory);
  return progress ? fmt::format("the same command resumes from {}", progress->text())
                  : "no checkpoint was written yet: the same command begins again";
}

std::string describe(const std::vector<RankDeath>& deaths, int signal, bool out_of_memory) {
  if (deaths.empty()) {
    return fmt::format("a rank was killed (signal {}){}", signal,
                       out_of_memory ? ": out of memory, says this host's kernel" : "");
  }
  std::string text;
  for (const RankDeath& death : deaths) {
    const bool several = death.ranks.find_first_of(",-") != std::string::npos;
    const bool killed = death.how == "Killed";
    text +=
        fmt::format("{}rank{} {} {}: {}", text.empty() ? "" : "; ", several ? "s" : "", death.ranks,
                    death.node.empty() ? "could not be started" : "on " + death.node + " died", death.how);
    if (killed && out_of_memory) text += " (out of memory, says this host's kernel)";
    if (killed && !out_of_memory) text += " (by hand, or out of memory? `dmesg` of that node tells)";
  }
  return text;
}

ExitCode check_before_start(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<LaunchFlags>();
  check_started_once(environment);
  Question question;
  question.config = line.config;
  question.run = asked_run(line.config, true);
  question.ranks = flags.ranks;
  if (!flags.ranks && flags.gpus_per_node) question.ranks = flags.nodes.value_or(1) * *flags.gpus_per_node;
  question.time_limit_s = sbatch_seconds(flags.time_limit);
  question.signal_lead_s = flags.signal_lead;
  const Examined examined = examine_before_start(environment, question);
  fmt::print("{}", flags.format == OutputFormat::json ? examined_json(examined) : examined_text(examined));
  return status_of(examined.findings);
}

ExitCode start_doctor(const std::vector<std::string>& words) {
  StderrFilter filter([](const std::string& text) { std::fputs(text.c_str(), stderr); });
  const ChildEnd end = run_child(words, say, [&](const std::string& bytes) { filter.take(bytes); });
  filter.end();
  if (end.status == 0 && filter.deaths().empty()) return ExitCode::done;
  if (filter.deaths().empty()) return static_cast<ExitCode>(end.status);
  throw Error(end.status == 0 ? ExitCode::crash : static_cast<ExitCode>(end.status),
              describe(filter.deaths(), end.status - 128, false));
}

ExitCode run_launch(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<LaunchFlags>();
  if (flags.print_schedule) return print_schedule(line.config, flags);
  if (flags.check) return check_before_start(line, environment);
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  Launch asked{flags, line.config, line.passed_on, flags.doctor ? "doctor" : "train"};
  if (flags.doctor) {
    const std::vector<std::string> own = words_of(flags);
    asked.words.insert(asked.words.end(), own.begin(), own.end());
  }
  SpawnPlan plan = plan_spawn(asked, environment, program, processors(), ::geteuid() == 0);
  std::optional<SessionFolder> session;
  if (plan.words.front() == "mpirun") {
    session.emplace(environment.temporary);
    plan.words.insert(plan.words.begin() + 1, {"--mca", "orte_tmpdir_base", session->path()});
  }
  if (flags.doctor) return start_doctor(plan.words);
  const trainer::RunDirectory directory = trainer::run_directory(line.config.run);
  for (const std::string& note : line.notes) say(note);
  say(plan.summary);
  if (environment.slurm && line.config.run.stop_before.count > 0)
    tell_ranks_when_job_ends(*environment.slurm);
  const std::string id = fmt::format("{} {} {}", environment.host, ::getpid(), utc_time());
  pass_on_launch(id);
  const std::string finished_before = finished_text(directory);
  const bool extends = line.flags_given.contains("run.steps") || line.flags_given.contains("run.epochs");
  const OutOfMemoryKills kills;
  std::optional<LiveLine> live(directory.root);
  StderrFilter filter([&](const std::string& text) { live->say(text); });
  const ChildEnd end = run_child(
      plan.words, [&](const std::string& text) { live->say(said(text)); },
      [&](const std::string& bytes) { filter.take(bytes); });
  filter.end();
  live.reset();
  if (end.status == 0) {
    if (has_finished(directory, id, finished_before, extends)) return ExitCode::done;
    const auto progress = trainer::run_progress(directory);
    throw Error(ExitCode::crash,
                fmt::format("{}{} ended with status 0, but the run has not finished: {}",
                            filter.deaths().empty() ? "" : describe(filter.deaths(), 0, false) + "; ",
                            plan.words.front(), progress ? progress->text() : "no checkpoint was written"),
                "a rank could not be started, or ended without a word: see what stands above");
  }
  // Ranks that have begun hold these signals back: they had not, or mpirun was asked once more when they had
  // ended.
  if (end.stopped_early) {
    if (has_finished(directory, id, finished_before, extends)) return ExitCode::done;
    say("stopped; " + what_next(directory));
    return ExitCode::saved;
  }
  if (end.status > 128 || !filter.deaths().empty()) {
    const std::string text = fmt::format(
        "{}; {}", describe(filter.deaths(), end.status - 128, kills.happened()), what_next(directory));
    say(text);
    keep(directory, text);
  }
  return static_cast<ExitCode>(end.status);
}

}  // namespace

Command launch_command() {
  return {.name = "launch",
          .usage = "[-n RANKS] [--config FILE ...] [--section.key VALUE ...]",
          .summary = "start train on many ranks, here or in a Slurm job, and report how they ended",
          .example = "vitrail launch -n 2 --config configs/quickstart.cfg",
          .uses = every_setting_of_runs,
          .flags = LaunchFlags(),
          .options = launch_options(),
          .passes_to = "train",
          .stored = Stored::run,
          .holds_stop_signals = true,
          .parse = parse_frozen,
          .take = refuse_two_prints,
          .check = check_ranks,
          .lacks_settings = [](const CommandLine& line) { return line.own<LaunchFlags>().doctor; },
          .by_many = true,
          .run = run_launch};
}

}  // namespace vitrail::launcher
