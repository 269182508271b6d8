#include "launcher/plan/measured.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "trainer/base/error.hpp"
#include "trainer/base/median.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/metrics_reader.hpp"

namespace vitrail::launcher {

MeasuredRun read_measured(const std::string& path) {
  const bool is_folder = std::filesystem::is_directory(path);
  const std::filesystem::path file =
      is_folder ? trainer::RunDirectory{path}.metrics() : std::filesystem::path(path);
  std::vector<trainer::StepRecord> steps = trainer::MetricsReader(file).steps();
  std::erase_if(steps, [](const trainer::StepRecord& step) { return !step.seconds || !step.comm_exposed; });
  if (steps.empty())
    throw Error(ExitCode::bad_data, fmt::format("{}: there is no step in it", file.string()));
  // The first steps fill caches and queues.
  steps.erase(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 4));
  MeasuredRun run;
  run.steps = static_cast<std::int64_t>(steps.size());
  const auto values = [&](const char* key, std::optional<double> trainer::StepRecord::*member) {
    std::vector<double> found;
    for (const trainer::StepRecord& step : steps) {
      if (!(step.*member))
        throw Error(ExitCode::bad_data, fmt::format("{}: a step has no {}", file.string(), key));
      found.push_back(*(step.*member));
    }
    return found;
  };
  run.step_s = upper_median(values("seconds", &trainer::StepRecord::seconds));
  run.images_per_s = upper_median(values("images_per_s", &trainer::StepRecord::images_per_s));
  run.exposed_s = upper_median(values("comm_exposed", &trainer::StepRecord::comm_exposed));
  run.memory_bytes = std::ranges::max(values("memory_bytes", &trainer::StepRecord::memory_bytes));
  return run;
}

std::vector<Comparison> compare(const ClusterPlan& plan, const MeasuredRun& run) {
  return {{"step", "s", plan.step.total(), run.step_s},
          {"images", "images/s", plan.images_per_s, run.images_per_s},
          {"waiting for ranks", "s", plan.step.exposed(), run.exposed_s},
          {"memory", "GB", plan.memory.total() / 1e9, run.memory_bytes / 1e9}};
}

double fitting_mfu(const PlanInput& in, const ClusterPlan& plan, const MeasuredRun& run) {
  const double compute = plan.step.compute + plan.step.stragglers;  // both at the speed of mfu
  const double left = run.step_s - (plan.step.total() - plan.step.data - compute);
  return left <= 0 ? 0 : in.mfu * compute / left;
}

}  // namespace vitrail::launcher
