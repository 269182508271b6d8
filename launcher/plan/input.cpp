#include "launcher/plan/input.hpp"

#include <algorithm>

#include "models/families/catalogue.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::int64_t kGpusOfANode = 8;
constexpr double kUsualMessageUs = 5;

// Of one core of a Xeon with AVX-512, JPEGs of 110 kB: tests/bench/README.md, decode.py.
double images_of_a_core(const datasets::AugmentConfig& augment) {
  const bool by_policy =
      !augment.randaugment.empty() || !augment.autoaugment.empty() || augment.trivial_augment;
  if (by_policy && !augment.three_augment) return 552;
  return augment.three_augment || augment.color_jitter > 0 ? 814 : 979;
}

Hardware hardware_of(const CommandLine& line) {
  const auto& flags = line.own<PlanFlags>();
  Hardware gpu = hardware_of(flags.gpu, line.config.precision.compute);
  const bool changed = flags.memory_gb || flags.memory_gb_per_s || flags.node_gb_per_s ||
                       flags.network_gb_per_s || line.config.run.peak_tflops > 0;
  gpu.memory_gb = flags.memory_gb.value_or(gpu.memory_gb);
  gpu.memory_gb_per_s = flags.memory_gb_per_s.value_or(gpu.memory_gb_per_s);
  gpu.node_gb_per_s = flags.node_gb_per_s.value_or(gpu.node_gb_per_s);
  gpu.network_gb_per_s = flags.network_gb_per_s.value_or(gpu.network_gb_per_s);
  if (line.config.run.peak_tflops > 0) gpu.tflops = line.config.run.peak_tflops;
  if (changed && !gpu.source.empty()) gpu.source += ", in part by hand";
  return gpu;
}

// Ranks, and how many of them share a node.
void place(const PlanFlags& flags, PlanInput& in) {
  in.ranks_per_node = flags.gpus_per_node.value_or(kGpusOfANode);
  in.ranks = flags.ranks.value_or(flags.nodes ? *flags.nodes * in.ranks_per_node : in.config.lane_groups());
  if (!flags.nodes) return;
  const std::int64_t nodes = *flags.nodes;
  if (in.ranks > nodes * in.ranks_per_node || in.ranks < nodes) {
    throw Error(
        ExitCode::refused,
        fmt::format("--ranks {} on {} nodes of {} GPUs: they do not go there one on each GPU, and on each "
                    "node at least one",
                    in.ranks, nodes, in.ranks_per_node),
        "leave --nodes or --ranks out, or give --gpus-per-node");
  }
  in.ranks_per_node = (in.ranks + nodes - 1) / nodes;
}

void require(double value, const char* flag) {
  if (value > 0) return;
  throw Error(ExitCode::usage, fmt::format("command line: `vitrail plan` needs {}, or a named --gpu", flag));
}

// Measured links take the place of a data sheet's, not of what is given by hand.
void take_links(const PlanFlags& flags, PlanInput& in) {
  if (flags.measured_links.empty()) return;
  in.links = read_links(flags.measured_links);
  const auto refuse_two = [&](bool by_hand, const std::optional<double>& measured, const char* flag) {
    if (!by_hand || !measured) return;
    throw Error(ExitCode::usage,
                fmt::format("command line: {} and --measured-links {}, which has it, too: leave one out",
                            flag, flags.measured_links));
  };
  refuse_two(flags.node_gb_per_s.has_value(), in.links.node_gb_per_s, "--node-gb-per-s");
  refuse_two(flags.network_gb_per_s.has_value(), in.links.network_gb_per_s, "--network-gb-per-s");
  refuse_two(flags.message_us.has_value(), in.links.message_us(), "--message-us");
}

}  // namespace

// Talking heads are products of small matrices and passes over memory.
double usual_mfu(const models::ModelConfig& model) {
  return models::describe_model(model).talking_heads ? 0.2 : 0.4;
}

PlanInput plan_input(const CommandLine& line, std::int64_t steps) {
  const auto& flags = line.own<PlanFlags>();
  PlanInput in{.config = line.config, .gpu = hardware_of(line), .steps = steps};
  place(flags, in);
  take_links(flags, in);
  const bool several = in.ranks > 1 || flags.up_to.value_or(1) > 1;
  require(in.gpu.memory_gb, "--memory-gb");
  require(in.gpu.tflops, "--run.peak_tflops");
  require(in.gpu.memory_gb_per_s, "--memory-gb-per-s");
  if (several && in.ranks_per_node > 1) require(in.node_gb_per_s(), "--node-gb-per-s");
  if (std::max(in.ranks, flags.up_to.value_or(1)) > in.ranks_per_node)
    require(in.network_gb_per_s(), "--network-gb-per-s");
  in.mfu = flags.mfu.value_or(usual_mfu(line.config.model));
  in.core_images_per_s = flags.core_images_per_s.value_or(images_of_a_core(line.config.augment));
  in.message_s = 1e-6 * flags.message_us.value_or(in.links.message_us().value_or(kUsualMessageUs));
  in.reserve_gb = flags.reserve_gb;
  in.record_kb = flags.record_kb;
  in.write_gb_per_s = flags.write_gb_per_s;
  in.failure_gpu_hours = flags.failure_gpu_hours;
  return in;
}

}  // namespace vitrail::launcher
