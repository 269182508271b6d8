#include "launcher/plan/exchanges.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "models/families/catalogue.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/sharding_plan.hpp"

namespace vitrail::launcher {
namespace {

using sharding::Bucket;
using sharding::BucketPlan;

double width_of(DataType type) { return static_cast<double>(size_of(type)); }

int count_of(std::int64_t ranks) { return static_cast<int>(ranks); }

// The calls that carry buckets of these slices and types, one after another, with one more at the end where
// the plan is pipelined. A call ends the bucket before, too, unless that is of another type.
std::vector<double> call_seconds(const sharding::ExchangeTraffic& traffic, bool pipelined, const Links& links,
                                 const std::vector<std::pair<double, DataType>>& slices) {
  std::vector<double> calls;
  for (std::size_t i = 0; i <= slices.size(); ++i) {
    const double opening = i < slices.size() ? slices[i].first : 0;
    const double closing = i > 0 ? slices[i - 1].first : 0;
    const bool together = opening == 0 || closing == 0 || slices[i].second == slices[i - 1].second;
    if (i == slices.size() && !pipelined) break;
    calls.push_back(together ? links.planned(traffic, opening, closing)
                             : links.planned(traffic, opening, 0) + links.planned(traffic, 0, closing));
  }
  return calls;
}

struct Slice {
  double bytes = 0;
  DataType type{};
};

// sharding/state/exchange_executor.hpp, in time: by begin(), and of finish().
class SumTimes {
 public:
  SumTimes(const Layout& layout, const Links& links)
      : layout_(layout), links_(links), chains_(layout.settings.in_turn) {}

  std::vector<double> of(const std::vector<Slice>& slices) {
    std::vector<double> seconds;
    for (const Slice& slice : slices) {
      Chain& chain = chains_[seconds.size() % chains_.size()];
      double& own = seconds.emplace_back(0);
      if (chain.closing.bytes > 0 && chain.closing.type != slice.type) own += run({&chain, 1});
      chain.opening = slice;
      if (seconds.size() % chains_.size() == 0) own += run(chains_);
    }
    double& last = seconds.emplace_back(0);
    while (std::ranges::any_of(chains_, [](const Chain& c) { return c.opening.bytes + c.closing.bytes > 0; }))
      last += run(chains_);
    return seconds;
  }

 private:
  struct Chain {
    Slice opening, closing;
    double added = 0;
  };

  // What came is read, as is what it is added to; the sum is written.
  double run(std::span<Chain> chains) {
    constexpr double kReadsAndWrites = 3;
    double called = 0, added = 0;
    std::vector<std::vector<sharding::RoundCost>> costs;
    std::size_t rounds = 0;
    for (Chain& chain : chains) {
      costs.push_back(
          round_costs(layout_.sums, chain.opening.bytes, chain.closing.bytes, links_.of_a_call()));
      rounds = std::max(rounds, costs.back().size());
      chain.added = 0;
    }
    for (std::size_t r = 0; r < rounds; ++r) {
      for (std::size_t c = 0; c < chains.size(); ++c) {
        if (r >= costs[c].size()) continue;
        called = std::max(called, chains[c].added) + costs[c][r].seconds;
        added = std::max(added, called) + kReadsAndWrites * costs[c][r].bytes / links_.memory;
        chains[c].added = added;
      }
    }
    for (Chain& chain : chains) {
      chain.closing = layout_.exchange.is_pipelined() ? chain.opening : Slice{};
      chain.opening = {};
    }
    return std::max(called, added);
  }

  const Layout& layout_;
  const Links& links_;
  std::vector<Chain> chains_;
};

// Share of each bucket in a pass: by its matrices, of which heads see one token only.
std::vector<double> compute_shares(const BucketPlan& plan) {
  std::vector<double> shares;
  double all = 0;
  for (const Bucket& bucket : plan.buckets) {
    double share = 0;
    for (const std::size_t p : bucket.parameters) {
      const sharding::ParameterShape& parameter = plan.parameters[p];
      if (parameter.matrix && !parameter.head) share += static_cast<double>(parameter.elements);
    }
    shares.push_back(share);
    all += share;
  }
  for (double& share : shares) share /= all;
  return shares;
}

}  // namespace

Layout::Layout(const PlanInput& in)
    : compute(trainer::compute_type(in.config.precision.compute)),
      plan(trainer::bucket_plan(in.config, models::parameters_of(trainer::network_of(in.config)))),
      settings(trainer::gradient_settings(in.config, count_of(in.ranks))),
      topology(sharding::full_nodes(count_of(in.ranks), count_of(in.ranks_per_node))),
      exchange(trainer::exchange_plan(in.config, topology, widest_slice(plan, settings))),
      sums(reduce_traffic(exchange, topology)),
      weights(gather_traffic(exchange, topology)),
      kinds(sharding::state_kinds(in.config.optimizer.name, trainer::has_average(in.config)).size()),
      fewest_lanes(plan.lanes) {
  if (in.config.run.device != trainer::Device::cpu) settings = with_turns(settings, exchange.route);
  for (int rank = 0; rank < exchange.world; ++rank) {
    const std::int64_t lanes = sharding::lanes_of_rank(plan.lanes, exchange.world, rank).count();
    if (lanes > most_lanes) fullest_ranks = 0;
    most_lanes = std::max(most_lanes, lanes);
    fewest_lanes = std::min(fewest_lanes, lanes);
    if (lanes == most_lanes) ++fullest_ranks;
  }
}

std::vector<Exchange> gradient_exchanges(const Layout& layout, const Links& links) {
  const std::vector<double> shares = compute_shares(layout.plan);
  const std::vector<Bucket>& buckets = layout.plan.buckets;
  const std::vector<std::size_t> order = backward_order(layout.plan);
  const auto lanes = static_cast<double>(layout.plan.lanes);
  std::vector<Exchange> exchanges;
  std::vector<Slice> slices;
  for (const std::size_t b : order) {
    const double slice = layout.gradient_slice(buckets[b]);
    slices.push_back({slice, layout.settings.type_of(buckets[b])});
    double seconds = layout.exchange.by_library() ? links.ring(slice * lanes) : 0;
    if (!layout.gathers_weights()) {
      const double whole = static_cast<double>(buckets[b].slice) * width_of(layout.settings.type);
      seconds += links.planned(layout.weights, whole, 0) + links.planned(layout.weights, 0, whole);
    }
    exchanges.push_back({seconds, shares[b]});
  }
  if (layout.exchange.by_library()) return exchanges;
  const std::vector<double> calls = SumTimes(layout, links).of(slices);
  for (std::size_t i = 0; i < order.size(); ++i) exchanges[i].seconds += calls[i];
  exchanges.push_back({calls.back(), 0});
  return exchanges;
}

std::vector<Exchange> weight_exchanges(const Layout& layout, const Links& links, bool rings) {
  if (!layout.gathers_weights()) return {};
  const std::vector<double> of_buckets = compute_shares(layout.plan);
  const std::vector<Bucket>& buckets = layout.plan.buckets;
  std::vector<std::pair<double, DataType>> slices;  // of what goes together, as are the shares
  std::vector<double> shares;
  for (const std::vector<std::size_t>& group : forward_order(layout.plan, layout.exchange.buckets_back())) {
    slices.emplace_back(0, buckets[group.front()].matrices ? layout.compute : layout.settings.type);
    shares.push_back(0);
    for (const std::size_t b : group) {
      slices.back().first += layout.weight_slice(buckets[b]);
      shares.back() += of_buckets[b];
    }
  }
  std::vector<double> calls;
  if (rings) {
    for (const auto& [slice, type] : slices)
      calls.push_back(links.ring(slice * static_cast<double>(layout.plan.lanes)));
  } else {
    calls = call_seconds(layout.weights, layout.exchange.is_pipelined(), links, slices);
  }
  std::vector<Exchange> exchanges;
  for (std::size_t call = 0; call < calls.size(); ++call) {
    const std::size_t late = calls.size() - slices.size();  // a bucket ends with the call after its own
    exchanges.push_back({calls[call], call < late ? 0 : shares[call - late]});
  }
  return exchanges;
}

}  // namespace vitrail::launcher
