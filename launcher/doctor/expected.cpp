#include "launcher/doctor/expected.hpp"

#include "launcher/plan/cluster_plan.hpp"
#include "launcher/plan/input.hpp"
#include "models/families/catalogue.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

GpuKind kind_of(GpuKind named, const std::string& found) {
  return named == GpuKind::by_hand ? gpu_called(found).value_or(GpuKind::by_hand) : named;
}

}  // namespace

ExpectedLinks expected_links(GpuKind named, const std::string& found, const std::optional<double>& node,
                             const std::optional<double>& network) {
  ExpectedLinks expected{node, network, "by hand"};
  const GpuKind kind = kind_of(named, found);
  if (kind == GpuKind::by_hand) return expected;
  const PlanInput plan{.config = {}, .gpu = hardware_of(kind, trainer::Precision::fp16)};
  expected.node_gb_per_s = node.value_or(plan.node_gb_per_s());
  expected.network_gb_per_s = network.value_or(plan.network_gb_per_s());
  expected.source = fmt::format("{:.0f} % of {}'s data sheet", 100 * plan.bandwidth_share, plan.gpu.name);
  return expected;
}

std::optional<double> expected_images_per_s(const trainer::Config& config, GpuKind named,
                                            const std::string& found, const Placed& placed) {
  const GpuKind kind = kind_of(named, found);
  const double mfu = usual_mfu(config.model);
  if (kind == GpuKind::by_hand) {
    if (config.run.peak_tflops <= 0) return std::nullopt;
    constexpr double kFlopsOfAMac = 6;  // two of forward, four of backward
    return config.run.peak_tflops * 1e12 * mfu /
           (kFlopsOfAMac * models::describe_model(config.model).macs_in_training);
  }
  try {
    PlanInput plan{.config = config, .gpu = hardware_of(kind, config.precision.compute)};
    plan.ranks = placed.ranks;
    plan.ranks_per_node = placed.ranks_per_node;
    plan.mfu = mfu;
    plan.core_images_per_s = 1e12;  // as if data were always there
    return plan_cluster(plan).images_per_s / static_cast<double>(placed.ranks);
  } catch (const Error&) {  // what cannot be planned, settings are refused for
    return std::nullopt;
  }
}

}  // namespace vitrail::launcher
