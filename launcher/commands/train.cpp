#include "launcher/commands/schedule/print_schedule.hpp"
#include "launcher/options/flag_table.hpp"
#include "trainer/settings/validate.hpp"
#ifdef VITRAIL_TORCH
#include <unistd.h>

#include "launcher/cli/version.hpp"
#include "launcher/ranks/world.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/run/train.hpp"
#endif

namespace vitrail::launcher {
namespace {

std::vector<Option> train_options() {
  FlagTable<PrintSchedule> flags;
  flags.config_files();
  add_print_schedule(flags);
  return flags.done();
}

#ifdef VITRAIL_TORCH
trainer::Attempt attempt_of(const Environment& environment) {
  trainer::Attempt attempt{.host = environment.host, .process = ::getpid()};
  if (environment.slurm) {
    attempt.job = environment.slurm->id;
    attempt.restart = environment.slurm->restart_count;
  }
  return attempt;
}

// The end of the job's time limit by a clock that nobody sets.
std::optional<std::chrono::steady_clock::time_point> deadline_of(const Environment& environment) {
  if (!environment.job_ends) return std::nullopt;
  return std::chrono::steady_clock::now() + (*environment.job_ends - std::chrono::system_clock::now());
}

std::string last_checkpoint(const std::filesystem::path& checkpoints) {
  const auto found = trainer::list_checkpoints(checkpoints);
  return found.empty() ? "no checkpoint was written yet"
                       : fmt::format("last checkpoint: {}", found.front().string());
}

ExitCode run_train(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<PrintSchedule>();
  if (flags.print_schedule) return print_schedule(line.config, flags);
  trainer::StopSignal stop;  // before any thread is started
  World world(environment, line.config.sharding);
  Log log(world.communicator().rank() == 0);
  const bool names_length = line.flags_given.contains("run.steps") || line.flags_given.contains("run.epochs");
  const trainer::TrainRequest request{line.config,
                                      attempt_of(environment),
                                      deadline_of(environment),
                                      [&](const std::string& why) { world.give_up(why); },
                                      environment.launch,
                                      names_length,
                                      trainer::this_program(build_facts()),
                                      environment.gpus};
  const auto directory = trainer::run_directory(line.config.run);
  world.keep_reports([&](const std::string& report) { log.keep(report); });
  return world.run(
      "training", [&] { return trainer::train(request, world.communicator(), log, stop); },
      [&] { return last_checkpoint(directory.checkpoints()); });
}
#else
ExitCode run_train(const CommandLine& line, const Environment& environment) {
  return built_without_torch(line, environment);
}
#endif

}  // namespace

Command train_command() {
  return {.name = "train",
          .usage = "[--config FILE ...] [--section.key VALUE ...]",
          .summary = "train a model in this process: one rank of launch, or world size 1",
          .example = "vitrail train --config configs/quickstart.cfg --run.steps 20",
          .uses = every_setting_of_runs,
          .flags = PrintSchedule(),
          .options = train_options(),
          .stored = Stored::run,
          .holds_stop_signals = true,
          .take = refuse_two_prints,
          .check = [](const CommandLine& line) { trainer::validate(line.config); },
          .by_many = true,
          .run = run_train};
}

}  // namespace vitrail::launcher
