#include "launcher/plan/measured.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/median.hpp"

namespace vitrail::launcher {
namespace {

std::vector<nlohmann::json> steps_of(const std::string& file) {
  std::istringstream lines(read_text(file));
  std::vector<nlohmann::json> steps;
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json step = nlohmann::json::parse(line, nullptr, false);
    if (step.is_object() && step.contains("seconds") && step.contains("comm_exposed")) steps.push_back(step);
  }
  return steps;
}

}  // namespace

MeasuredRun read_measured(const std::string& path) {
  const bool is_folder = std::filesystem::is_directory(path);
  const std::string file = is_folder ? (std::filesystem::path(path) / "metrics.jsonl").string() : path;
  std::vector<nlohmann::json> steps = steps_of(file);
  if (steps.empty()) throw Error(ExitCode::bad_data, fmt::format("{}: there is no step in it", file));
  // The first steps fill caches and queues.
  steps.erase(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 4));
  MeasuredRun run;
  run.steps = static_cast<std::int64_t>(steps.size());
  const auto medians = [&](const char* key) {
    std::vector<double> values;
    for (const nlohmann::json& step : steps) values.push_back(step.at(key).get<double>());
    return upper_median(values);
  };
  try {
    run.step_s = medians("seconds");
    run.images_per_s = medians("images_per_s");
    run.exposed_s = medians("comm_exposed");
    for (const nlohmann::json& step : steps)
      run.memory_bytes = std::max(run.memory_bytes, step.at("memory_bytes").get<double>());
  } catch (const nlohmann::json::exception& e) {
    throw Error(ExitCode::bad_data, fmt::format("{}: {}", file, e.what()));
  }
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
