#include "trainer/sharding_plan.hpp"

#include <fmt/format.h>

#include "trainer/base/error.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/weights/param_groups.hpp"

namespace vitrail::trainer {

sharding::BucketPlan bucket_plan(const Config& config, const std::vector<models::ParameterSpec>& parameters) {
  const std::int64_t bytes = config.sharding.bucket_mib << 20;
  const auto width = static_cast<std::int64_t>(size_of(compute_type(config.precision.compute)));
  return make_bucket_plan(shapes_for_plan(parameters), config.run.lanes, bytes / width);
}

sharding::ReducerOptions gradient_settings(const Config& config, int ranks) {
  const DataType compute = compute_type(config.precision.compute);
  const sharding::Stage stage = sharding::stage_of(config.sharding.stage);
  if (stage.frees_gradients && ranks != config.run.lanes) {
    throw Error(
        ExitCode::refused,
        fmt::format("sharding.stage = 2 frees gradients bucket by bucket, which wants one lane a rank, "
                    "but run.lanes is {} and there {}",
                    config.run.lanes, ranks == 1 ? "is 1 rank" : fmt::format("are {} ranks", ranks)),
        fmt::format("take {} ranks, or set sharding.stage = 1", config.run.lanes));
  }
  const bool narrow = config.sharding.sum_type == sharding::SumType::compute;
  return {sum_type(compute), narrow ? compute : sum_type(compute), stage};
}

sharding::ExchangePlan exchange_plan(const Config& config, const sharding::Topology& topology) {
  using sharding::ExchangeRoute;
  const bool fast = config.sharding.reduction == sharding::Reduction::fast;
  if (fast && config.run.lanes % topology.ranks() != 0) {
    throw Error(ExitCode::refused,
                fmt::format("sharding.reduction = fast wants as many lanes on every rank, but there are {} "
                            "lanes on {} ranks",
                            config.run.lanes, topology.ranks()),
                "take a number of ranks that divides run.lanes, or leave sharding.reduction out");
  }
  return sharding::exchange_plan(fast ? ExchangeRoute::library : ExchangeRoute::direct, config.run.lanes,
                                 topology);
}

int count_networks(const Config& config) {
  return !config.data.val.empty() && config.evaluation.weights == WeightsUsed::ema ? 2 : 1;
}

}  // namespace vitrail::trainer
