#include "launcher/plan/exchanges.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "models/families/catalogue.hpp"
#include "sharding/plan/exchange_turns.hpp"
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

struct Slice {
  double bytes = 0;
  DataType type{};
};

// sharding/state/exchange_executor.hpp, in time: seconds by begin(), and of finish() where that has work.
class CallTimes {
 public:
  CallTimes(const sharding::ExchangeTraffic& traffic, const Links& links, std::size_t in_turn = 1)
      : traffic_(traffic), links_(links), in_turn_(in_turn), turns_(traffic.halves(), in_turn) {}

  std::vector<double> of(const std::vector<Slice>& slices) {
    std::vector<double> seconds;
    const auto no_more = [](const Slice&) {};
    for (const Slice& slice : slices) {
      seconds.push_back(timed([&](const auto& call) { turns_.begin(slice, call, no_more); }));
    }
    if (const double last = timed([&](const auto& call) { turns_.finish(call, no_more); }); last > 0)
      seconds.push_back(last);
    return seconds;
  }

 private:
  // A call begins when the one before it has ended and the sums that it sends are made; those of what it
  // brings, when they are made that came before.
  template <class Work>
  double timed(const Work& work) {
    double called = 0, added = 0;
    std::vector<double> added_of_chain(in_turn_);
    work([&](const sharding::Turns<Slice>::Call& turn) {
      const sharding::CallCost cost =
          call_cost(traffic_, turn.rounds, turn.opening == nullptr ? 0 : turn.opening->bytes,
                    turn.closing == nullptr ? 0 : turn.closing->bytes, links_.of_a_call());
      called = std::max(called, added_of_chain[turn.chain]) + cost.seconds;
      added = std::max(added, called) + cost.moved_bytes / links_.memory;
      added_of_chain[turn.chain] = added;
    });
    return std::max(called, added);
  }

  const sharding::ExchangeTraffic& traffic_;
  const Links& links_;
  std::size_t in_turn_;
  sharding::Turns<Slice> turns_;
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
  const std::vector<double> calls = CallTimes(layout.sums, links, layout.settings.in_turn).of(slices);
  exchanges.resize(calls.size());  // the last belongs to no bucket
  for (std::size_t i = 0; i < calls.size(); ++i) exchanges[i].seconds += calls[i];
  return exchanges;
}

std::vector<Exchange> weight_exchanges(const Layout& layout, const Links& links, bool rings) {
  if (!layout.gathers_weights()) return {};
  const std::vector<double> of_buckets = compute_shares(layout.plan);
  const std::vector<Bucket>& buckets = layout.plan.buckets;
  std::vector<Slice> slices;  // of what goes together, as are the shares
  std::vector<double> shares;
  for (const std::vector<std::size_t>& group : forward_order(layout.plan, layout.exchange.buckets_back())) {
    slices.push_back({0, buckets[group.front()].matrices ? layout.compute : layout.settings.type});
    shares.push_back(0);
    for (const std::size_t b : group) {
      slices.back().bytes += layout.weight_slice(buckets[b]);
      shares.back() += of_buckets[b];
    }
  }
  std::vector<double> calls;
  if (rings) {
    for (const Slice& slice : slices)
      calls.push_back(links.ring(slice.bytes * static_cast<double>(layout.plan.lanes)));
  } else {
    calls = CallTimes(layout.weights, links).of(slices);
  }
  std::vector<Exchange> exchanges;
  for (std::size_t call = 0; call < calls.size(); ++call) {
    const std::size_t late = calls.size() - slices.size();  // a bucket ends with the call after its own
    exchanges.push_back({calls[call], call < late ? 0 : shares[call - late]});
  }
  return exchanges;
}

}  // namespace vitrail::launcher
