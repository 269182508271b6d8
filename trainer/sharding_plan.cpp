#include "trainer/sharding_plan.hpp"

#include <fmt/format.h>

#include "sharding/plan/exchange_traffic.hpp"
#include "trainer/base/error.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/weights/param_groups.hpp"

namespace vitrail::trainer {

// As `vitrail plan` finds best; from 1,024 lanes on larger ones, because a step's report has a number for
// each piece.
std::int64_t bucket_mib_of(const Config& config) {
  constexpr std::int64_t kManyLanes = 1024;
  if (config.sharding.bucket_mib > 0) return config.sharding.bucket_mib;
  return config.lane_groups() < kManyLanes ? 32 : 64;
}

sharding::BucketPlan bucket_plan(const Config& config, const std::vector<models::ParameterSpec>& parameters) {
  const std::int64_t bytes = bucket_mib_of(config) << 20;
  const auto width = static_cast<std::int64_t>(size_of(compute_type(config.precision.compute)));
  return make_bucket_plan(shapes_for_plan(parameters), config.lane_groups(), bytes / width);
}

sharding::ReducerOptions gradient_settings(const Config& config, int ranks) {
  const DataType compute = compute_type(config.precision.compute);
  const sharding::Stage stage = sharding::stage_of(config.sharding.stage);
  if (stage.frees_gradients && ranks != config.lane_groups()) {
    const bool grouped = config.model.batch_norm_lanes > 1;
    throw Error(
        ExitCode::refused,
        fmt::format("sharding.stage = 2 frees gradients bucket by bucket, which wants one {} a rank, "
                    "but run.lanes is {}{} and there {}",
                    grouped ? "group of lanes" : "lane", config.run.lanes,
                    grouped ? fmt::format(", model.batch_norm_lanes {}", config.model.batch_norm_lanes) : "",
                    ranks == 1 ? "is 1 rank" : fmt::format("are {} ranks", ranks)),
        fmt::format("take {} ranks, or set sharding.stage = 1", config.lane_groups()));
  }
  const bool narrow = config.sharding.sum_type == sharding::SumType::compute;
  return {sum_type(compute), narrow ? compute : sum_type(compute), stage};
}

void check_groups(const Config& config, std::int64_t ranks) {
  const std::int64_t lanes = config.run.lanes, together = config.model.batch_norm_lanes;
  const std::int64_t groups = config.lane_groups();
  if (together == 1 || ranks <= groups) return;
  throw Error(ExitCode::refused,
              fmt::format("{} ranks with run.lanes = {} and model.batch_norm_lanes = {}: a group of lanes is "
                          "computed by one rank, and there {}",
                          ranks, lanes, together, groups == 1 ? "is one" : fmt::format("are {}", groups)),
              fmt::format("start at most {} rank{}, or choose other lanes for a new run", groups,
                          groups == 1 ? "" : "s"));
}

namespace {

sharding::ExchangeRoute route_of(const Config& config, const sharding::Topology& topology,
                                 std::int64_t widest_slice) {
  using sharding::ExchangeChoice, sharding::ExchangeRoute;
  switch (config.sharding.exchange) {
    case ExchangeChoice::direct:
      return ExchangeRoute::direct;
    case ExchangeChoice::two_level:
      return ExchangeRoute::two_level;
    case ExchangeChoice::halving:
      return ExchangeRoute::halving;
    case ExchangeChoice::automatic:
      break;
  }
  return sharding::fastest_route(config.lane_groups(), topology, static_cast<double>(widest_slice));
}

void check_fast(const Config& config, int ranks) {
  if (config.lane_groups() % ranks != 0) {
    throw Error(ExitCode::refused,
                fmt::format("sharding.reduction = fast wants as many lanes on every rank, but there are {} "
                            "lanes on {} ranks",
                            config.lane_groups(), ranks),
                "take a number of ranks that divides run.lanes, or leave sharding.reduction out");
  }
  if (config.sharding.exchange != sharding::ExchangeChoice::automatic) {
    throw Error(ExitCode::refused,
                "sharding.reduction = fast leaves the exchange to the library, sharding.exchange wants "
                "another one",
                "leave one of the two out");
  }
}

}  // namespace

sharding::ExchangePlan exchange_plan(const Config& config, const sharding::Topology& topology,
                                     std::int64_t widest_slice) {
  check_groups(config, topology.ranks());
  if (config.sharding.reduction == sharding::Reduction::fast) {
    check_fast(config, topology.ranks());
    return sharding::exchange_plan(sharding::ExchangeRoute::library, config.lane_groups(), topology);
  }
  return sharding::exchange_plan(route_of(config, topology, widest_slice), config.lane_groups(), topology);
}

std::string describe_exchange(const sharding::ExchangePlan& exchange, const sharding::BucketPlan& buckets,
                              const sharding::Topology& topology, const sharding::ReducerOptions& settings,
                              DataType compute) {
  const std::string ranks = fmt::format("{} ranks on {} node{}", exchange.world, topology.nodes(),
                                        topology.nodes() == 1 ? "" : "s");
  if (exchange.by_library()) return "exchange: the library's sums, " + ranks;
  const sharding::Sent sums = reduce_traffic(exchange, topology).of_all();
  const sharding::Sent back = gather_traffic(exchange, topology).of_all();
  double inside = 0, across = 0;  // bytes
  for (const sharding::Bucket& bucket : buckets.buckets) {
    const bool narrow = settings.stage.shards_state && bucket.matrices;  // weights go back, else the sums
    const auto bytes_out = static_cast<double>(bucket.slice) * size_of(settings.type_of(bucket));
    const auto bytes_back = static_cast<double>(bucket.slice) * size_of(narrow ? compute : settings.type);
    inside += static_cast<double>(sums.inside) * bytes_out + static_cast<double>(back.inside) * bytes_back;
    across += static_cast<double>(sums.across) * bytes_out + static_cast<double>(back.across) * bytes_back;
  }
  constexpr double kMib = 1 << 20;
  return fmt::format(
      "exchange: {}, {}; a step sends {:.1f} MiB within nodes and {:.1f} MiB across, all ranks "
      "together",
      name_of(exchange.route), ranks, inside / kMib, across / kMib);
}

int count_networks(const Config& config) {
  const bool evaluates_average = !config.data.val.empty() && config.evaluation.weights == WeightsUsed::ema;
  return has_teacher(config) || evaluates_average ? 2 : 1;
}

}  // namespace vitrail::trainer
