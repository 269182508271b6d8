// What a run really took, from its metrics.jsonl, beside what a plan says of it.
// Throws: Error(io) for a file nobody can read, Error(bad_data) for one without a step in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/plan/cluster_plan.hpp"

namespace vitrail::launcher {

// Medians over a run's steps, without the first quarter of them: rank 0's.
struct MeasuredRun {
  std::int64_t steps = 0;  // that were looked at
  double step_s = 0, images_per_s = 0, exposed_s = 0;
  double memory_bytes = 0;  // most
};

MeasuredRun read_measured(const std::string& path);  // a run's folder, or the file itself

struct Comparison {
  std::string what, unit;
  double planned = 0, measured = 0;

  double error_percent() const { return measured == 0 ? 0 : 100 * (planned - measured) / measured; }
};
std::vector<Comparison> compare(const ClusterPlan& plan, const MeasuredRun& run);

// The mfu with which the plan's step would be as long as the run's, if it did not wait for data; 0: none.
double fitting_mfu(const PlanInput& in, const ClusterPlan& plan, const MeasuredRun& run);

}  // namespace vitrail::launcher
