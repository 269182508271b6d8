#include <chrono>
#include <optional>

#include <unistd.h>

#include "datasets/loader/sampler.hpp"
#include "launcher/cli/version.hpp"
#include "launcher/commands/evaluation_listing.hpp"
#include "launcher/commands/run_commands.hpp"
#include "launcher/commands/schedule_listing.hpp"
#include "launcher/commands/training_images.hpp"
#include "launcher/ranks/world.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/evaluation/evaluate_weights.hpp"
#include "trainer/run/train.hpp"

namespace vitrail::launcher {
namespace {

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

}  // namespace

ExitCode run_print_schedule(const CommandLine& line) {
  const std::int64_t steps_per_epoch =
      datasets::steps_per_epoch(training_images(line), line.config.data.global_batch_size);
  const trainer::Schedule schedule(line.config, trainer::total_steps(line.config.run, steps_per_epoch),
                                   steps_per_epoch);
  const bool json = line.flags.format == OutputFormat::json;
  fmt::print("{}", json ? schedule_json(line.config, schedule) : schedule_text(line.config, schedule));
  return ExitCode::done;
}

ExitCode run_train(const CommandLine& line, const Environment& environment) {
  trainer::StopSignal stop;  // before any thread is started
  World world(environment, line.config.sharding);
  Log log(world.communicator().rank() == 0);
  const trainer::TrainRequest request{line.config,
                                      attempt_of(environment),
                                      deadline_of(environment),
                                      [&](const std::string& why) { world.give_up(why); },
                                      environment.launch,
                                      line.names_length,
                                      trainer::this_program(build_facts()),
                                      environment.gpus};
  const auto directory = trainer::run_directory(line.config.run);
  world.keep_reports([&](const std::string& report) { log.keep(report); });
  return world.run(
      "training", [&] { return trainer::train(request, world.communicator(), log, stop); },
      [&] { return last_checkpoint(directory.checkpoints()); });
}

ExitCode run_eval(const CommandLine& line, const Environment& environment) {
  World world(environment, line.config.sharding);
  return world.run("evaluation", [&] {
    const bool is_root = world.communicator().rank() == 0;
    const auto result = trainer::evaluate_weights(line.config,
                                                  {line.flags.checkpoint,
                                                   [&](const std::string& text) {
                                                     if (is_root) fmt::print(stderr, "{}\n", text);
                                                   },
                                                   environment.gpus},
                                                  world.communicator());
    if (!is_root) return ExitCode::done;
    if (line.flags.format == OutputFormat::json) {
      fmt::print("{}\n", evaluation_json(result));
    } else {
      fmt::print("{}", evaluation_text(result));
    }
    return ExitCode::done;
  });
}

}  // namespace vitrail::launcher
