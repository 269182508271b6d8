#include "datasets/loader/sampler.hpp"
#include "launcher/commands/run_commands.hpp"
#include "launcher/commands/training_images.hpp"
#include "launcher/plan/input.hpp"
#include "launcher/plan/listing.hpp"
#include "launcher/plan/search.hpp"
#include "trainer/schedule.hpp"

namespace vitrail::launcher {
namespace {

std::int64_t steps_of(const CommandLine& line) {
  if (line.config.run.steps > 0) return line.config.run.steps;
  const std::int64_t epoch =
      datasets::steps_per_epoch(training_images(line), line.config.data.global_batch_size);
  return trainer::total_steps(line.config.run, epoch);
}

void refuse_what_does_not_fit(const PlanInput& in) {
  if (fits(in)) return;
  const std::string change = smallest_change(in);
  throw Error(ExitCode::refused,
              fmt::format("{} on {}: a rank needs {:.1f} GB of its {} (estimate)", in.config.run.name,
                          in.gpu.name, plan_memory(in).total() / 1e9, in.gpu.memory_gb),
              change.empty() ? "no setting makes it fit: plan for devices with more memory" : change);
}

}  // namespace

// A table of many numbers of ranks says of each whether it fits; a plan of one is refused after it was shown.
ExitCode run_plan(const CommandLine& line) {
  const PlanInput in = plan_input(line, steps_of(line));
  const bool json = line.flags.format == OutputFormat::json;
  if (line.plan.up_to) {
    fmt::print("{}", json ? plans_json(in, *line.plan.up_to) : plans_text(in, *line.plan.up_to));
    return ExitCode::done;
  }
  std::optional<MeasuredRun> run;
  if (!line.plan.measured.empty()) run = read_measured(line.plan.measured);
  fmt::print("{}", json ? plan_json(in, run) : plan_text(in, run));
  refuse_what_does_not_fit(in);
  return ExitCode::done;
}

}  // namespace vitrail::launcher
