// What a step of a planned run sends to whom, and how long each call takes: between the settings and
// cluster_plan.cpp. Pure. Units: bytes, seconds. Throws: as trainer/sharding_plan.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "launcher/plan/cluster_plan.hpp"
#include "launcher/plan/timeline.hpp"
#include "sharding/plan/exchange_traffic.hpp"
#include "sharding/plan/reducer_options.hpp"

namespace vitrail::launcher {

// What the run's buckets are, who holds what of them and who sends it to whom, on one number of ranks.
struct Layout {
  DataType compute;
  sharding::BucketPlan plan;
  sharding::ReducerOptions settings;
  sharding::Topology topology;
  sharding::ExchangePlan exchange;
  sharding::ExchangeTraffic sums, weights;
  std::size_t kinds;
  std::int64_t most_lanes = 0, fewest_lanes = 0;  // of a rank
  std::int64_t fullest_ranks = 0;                 // ranks that have most

  explicit Layout(const PlanInput& in);

  // Slices of every bucket that the busiest rank sends.
  double sums_sent() const {
    return static_cast<double>(exchange.by_library() ? plan.lanes - fewest_lanes
                                                     : sums.of_busiest().slices());
  }
  double weights_sent() const { return static_cast<double>(weights.of_busiest().slices()); }
  double gradient_slice(const sharding::Bucket& b) const {
    return static_cast<double>(b.slice) * static_cast<double>(size_of(settings.type_of(b)));
  }
  double weight_slice(const sharding::Bucket& b) const {
    return static_cast<double>(b.slice) * static_cast<double>(size_of(b.matrices ? compute : settings.type));
  }
  // Else the sums are gathered instead, so that every rank updates all weights.
  bool gathers_weights() const { return settings.stage.shards_state; }
};

// The links of one rank, in bytes a second that are reached, and how calls use them.
struct Links {
  double node, network, memory, message;
  double ranks, in_node;  // in_node: ranks of one node, this one included

  explicit Links(const PlanInput& in)
      : node(in.node_gb_per_s() * 1e9),
        network(in.network_gb_per_s() * 1e9),
        memory(in.gpu.memory_gb_per_s * 1e9 * in.bandwidth_share),
        message(in.message_s),
        ranks(static_cast<double>(in.ranks)),
        in_node(static_cast<double>(std::min(in.ranks, in.ranks_per_node))) {}

  bool one_node() const { return ranks <= in_node; }
  double call() const { return message * (ranks - 1); }

  // A call of a plan: sharding/plan/exchange_traffic.hpp.
  double planned(const sharding::ExchangeTraffic& traffic, double opening, double closing) const {
    return sharding::seconds(traffic, opening, closing, of_a_call());
  }
  sharding::Links of_a_call() const { return {node, network, message}; }
  // Rings over all ranks, one for each link out of a node.
  double ring(double bytes_in_all) const {
    if (ranks == 1) return 0;
    const double sent = bytes_in_all * (ranks - 1) / ranks;
    return std::max(in_node > 1 ? sent / node : 0, one_node() ? 0 : sent / (in_node * network)) + call();
  }
  // The same few numbers to all ranks, by a tree and back.
  double sum(double bytes) const {
    if (ranks == 1) return 0;
    return 2 * (std::ceil(std::log2(ranks)) * message + bytes / (one_node() ? node : network));
  }
};

// In the order in which they are posted; a bucket's call begins once backward has computed it.
std::vector<Exchange> gradient_exchanges(const Layout& layout, const Links& links);

// In the order in which they are posted; what belongs to a bucket is computed once it has come. `rings`:
// NCCL's own gather.
std::vector<Exchange> weight_exchanges(const Layout& layout, const Links& links, bool rings);

}  // namespace vitrail::launcher
