// A command line of `plan` as what is planned: ranks on nodes, devices by name or by hand, and what is
// assumed where nothing is said.
// Throws: Error(usage) for numbers by hand that are missing, Error(refused) for ranks that have no place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launcher/cli/command_line.hpp"
#include "launcher/plan/cluster_plan.hpp"
#include "launcher/plan/hardware.hpp"

namespace vitrail::launcher {

// The cluster, and what is assumed of it. Absent numbers are those of the named GPU.
struct PlanFlags {
  std::optional<std::int64_t> ranks, nodes, gpus_per_node;
  GpuKind gpu = GpuKind::by_hand;
  std::optional<double> memory_gb, memory_gb_per_s;
  std::optional<double> node_gb_per_s, network_gb_per_s;  // one direction
  std::optional<double> mfu;                              // absent: by the model's family
  std::optional<double> core_images_per_s;                // absent: by the augmentation
  double record_kb = 110;
  double write_gb_per_s = 2;
  double failure_gpu_hours = 8100;   // the A100s of Meta's research cluster, arXiv 2410.21680
  std::optional<double> message_us;  // absent: measured, or as usual
  double reserve_gb = 3;
  std::optional<std::int64_t> up_to;
  std::string measured;
  std::string measured_links;
  std::optional<std::int64_t> images;  // of the training set; absent: those of data.train
  OutputFormat format = OutputFormat::text;
};

// What is assumed of a model's forward and backward passes. Nobody has measured them here.
double usual_mfu(const models::ModelConfig& model);

PlanInput plan_input(const CommandLine& line, std::int64_t steps);

}  // namespace vitrail::launcher
