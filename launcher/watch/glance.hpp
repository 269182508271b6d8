// Where a run is just now and how long it will take, from the ends of the files in its folder: from any
// machine that sees it, without disturbing it. Throws: Error(bad_data), Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "launcher/report/run_state.hpp"

namespace vitrail::launcher {

struct Glance {
  std::string name;
  RunState state = RunState::waiting;
  std::int64_t step = 0, planned_steps = 0;  // 0: not known
  double epoch = 0;
  std::optional<double> loss, lr, images_per_s, mfu;   // of the last step; the rate: mean of the last 20
  std::optional<double> gpu_utilisation, gpu_power_w;  // rank 0's, of the last step
  std::optional<double> step_seconds;           // at the pace of the last steps, with what was between them
  std::optional<double> top1;                   // of the last evaluation
  std::optional<double> seconds_left;           // to the planned end
  std::optional<double> seconds_to_checkpoint;  // absent: none is planned, or it is not known

  bool may_go_on() const;  // by itself
};

Glance glance_at(const std::filesystem::path& folder);

// "first: step 120 of 5000, epoch 0.24, loss 2.3012, 2400 images/s, ETA 33 min 20 s, next checkpoint in 47 s"
std::string one_line(const Glance& glance);

// A line for each run, and one that sums up: "3 runs: 1 finished, 2 running".
std::string glances_text(const std::vector<Glance>& glances);

// A list of objects, null where nothing is known.
std::string glances_json(const std::vector<Glance>& glances);

}  // namespace vitrail::launcher
