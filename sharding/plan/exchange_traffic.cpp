#include "sharding/plan/exchange_traffic.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace vitrail::sharding {
namespace {

void count(const Topology& topology, int from, int to, LaneRange slices, Sent& sent) {
  const bool inside = topology.together(from, to);
  (inside ? sent.inside : sent.across) += slices.count();
  ++sent.messages;
  if (!inside) ++sent.messages_across;
}

// Every rank to all others at once, without a look at each of the N^2 messages: each of its blocks'
// sums for the slices that the receivers own, or its own slices.
ExchangeTraffic at_once(const ExchangePlan& plan, const Topology& topology, bool receivers) {
  struct OfNode {
    std::int64_t slices = 0, ranks = 0, blocks = 0;
  };
  std::vector<OfNode> of_node(static_cast<std::size_t>(topology.nodes()));
  const auto node = [&](int rank) -> OfNode& {
    return of_node[static_cast<std::size_t>(topology.node_of[static_cast<std::size_t>(rank)])];
  };
  const auto slices = [&](int rank) { return plan.slices[static_cast<std::size_t>(rank)].count(); };
  const auto blocks = [&](int rank) {
    return static_cast<std::int64_t>(aligned_blocks(lanes_of_rank(plan.lanes, plan.world, rank)).size());
  };
  std::int64_t all_blocks = 0;
  for (int rank = 0; rank < plan.world; ++rank) {
    node(rank).slices += slices(rank);
    ++node(rank).ranks;
    node(rank).blocks += blocks(rank);
    all_blocks += blocks(rank);
  }
  ExchangeTraffic traffic({.opening = plan.world > 1 ? 1U : 0U}, plan.world);
  for (int rank = 0; rank < plan.world && plan.world > 1; ++rank) {
    const std::int64_t others = node(rank).ranks - 1, away = plan.world - node(rank).ranks;
    const std::int64_t own = slices(rank), beside = node(rank).slices - own,
                       elsewhere = plan.lanes - node(rank).slices;
    if (receivers) {
      const std::int64_t of_rank = blocks(rank), of_others = all_blocks - of_rank,
                         of_nodes = all_blocks - node(rank).blocks;
      traffic.at(0, rank) = {of_rank * beside, of_rank * elsewhere, of_rank * (plan.world - 1),
                             of_rank * away};
      traffic.received_at(0, rank) = {own * (of_others - of_nodes), own * of_nodes, of_others, of_nodes};
      traffic.moved_at(0, rank) = own * (all_blocks + 1);
    } else {
      traffic.at(0, rank) = {others * own, away * own, plan.world - 1, away};
      traffic.received_at(0, rank) = {beside, elsewhere, plan.world - 1, away};
    }
  }
  return traffic;
}

}  // namespace

Sent& Sent::operator+=(const Sent& other) {
  inside += other.inside;
  across += other.across;
  messages += other.messages;
  messages_across += other.messages_across;
  return *this;
}

Sent ExchangeTraffic::of_rank(int rank) const {
  Sent sum;
  for (const std::vector<Sent>& round : rounds_) sum += round[static_cast<std::size_t>(rank)];
  return sum;
}

Sent ExchangeTraffic::of_busiest() const {
  Sent most;
  const int world = rounds_.empty() ? 0 : static_cast<int>(rounds_.front().size());
  for (int rank = 0; rank < world; ++rank) {
    const Sent own = of_rank(rank);
    most.inside = std::max(most.inside, own.inside);
    most.across = std::max(most.across, own.across);
    most.messages = std::max(most.messages, own.messages);
    most.messages_across = std::max(most.messages_across, own.messages_across);
  }
  return most;
}

Sent ExchangeTraffic::of_all() const {
  Sent all;
  for (const std::vector<Sent>& round : rounds_) {
    for (const Sent& sent : round) all += sent;
  }
  return all;
}

const char* name_of(ExchangeRoute route) {
  switch (route) {
    case ExchangeRoute::direct:
      return "direct";
    case ExchangeRoute::two_level:
      return "two_level";
    case ExchangeRoute::halving:
      return "halving";
    case ExchangeRoute::library:
      return "the library's";
  }
  return "";
}

ExchangeTraffic reduce_traffic(const ExchangePlan& plan, const Topology& topology) {
  if (plan.route == ExchangeRoute::direct) return at_once(plan, topology, true);
  ExchangeTraffic traffic(reduce_halves(plan), plan.world);
  for_each_addition(plan, [&](const Addition& addition) {
    traffic.moved_at(addition.round, addition.sum.home.rank) +=
        (std::ssize(addition.terms) + 1) * addition.slices.count();
    for (const PlacedSum& term : addition.terms) {
      const int from = term.home.rank, to = addition.sum.home.rank;
      if (from == to) continue;
      count(topology, from, to, addition.slices, traffic.at(addition.round, from));
      count(topology, from, to, addition.slices, traffic.received_at(addition.round, to));
    }
  });
  return traffic;
}

ExchangeTraffic gather_traffic(const ExchangePlan& plan, const Topology& topology) {
  if (slice_order(plan.route) == SliceOrder::by_rank) return at_once(plan, topology, false);
  ExchangeTraffic traffic(gather_halves(plan), plan.world);
  for_each_transfer(plan, [&](const Transfer& transfer) {
    const auto& [from, to, slices, round] = transfer;
    count(topology, from, to, slices, traffic.at(round, from));
    count(topology, from, to, slices, traffic.received_at(round, to));
  });
  return traffic;
}

CallCost call_cost(const ExchangeTraffic& traffic, const CallRounds& call, double opening, double closing,
                   const Links& links) {
  CallCost cost;
  for (const auto* const one_way : {&traffic.rounds(), &traffic.received()}) {
    for (std::size_t rank = 0; rank < one_way->front().size(); ++rank) {
      double inside = 0, across = 0;
      const auto add = [&](const Sent& sent, double slice_bytes) {
        inside += static_cast<double>(sent.inside) * slice_bytes / links.node_bytes_per_s +
                  static_cast<double>(sent.messages - sent.messages_across) * links.message_s;
        across += static_cast<double>(sent.across) * slice_bytes / links.network_bytes_per_s +
                  static_cast<double>(sent.messages_across) * links.message_s;
      };
      if (call.opening) add((*one_way)[*call.opening][rank], opening);
      if (call.closing) add((*one_way)[*call.closing][rank], closing);
      cost.seconds = std::max({cost.seconds, inside, across});
    }
  }
  for (std::size_t rank = 0; rank < traffic.moved().front().size(); ++rank) {
    double moved = 0;
    if (call.opening) moved += static_cast<double>(traffic.moved()[*call.opening][rank]) * opening;
    if (call.closing) moved += static_cast<double>(traffic.moved()[*call.closing][rank]) * closing;
    cost.moved_bytes = std::max(cost.moved_bytes, moved);
  }
  return cost;
}

double seconds(const ExchangeTraffic& traffic, double opening, double closing, const Links& links) {
  double seconds = 0;
  for (const CallRounds& call : rounds_of_calls(traffic.halves(), opening > 0, closing > 0))
    seconds += call_cost(traffic, call, opening, closing, links).seconds;
  return seconds;
}

namespace {

// Many nodes hold neighbouring ranks, equally many, and both numbers are powers of two: then halving sends as
// little as two_level in far fewer messages, and direct P times as much between nodes.
bool suits_halving(const Topology& topology) {
  constexpr int kMany = 16;
  const auto ranks = static_cast<unsigned>(topology.ranks()), nodes = static_cast<unsigned>(topology.nodes());
  return topology.nodes() >= kMany && std::has_single_bit(ranks) && std::has_single_bit(nodes) &&
         topology == full_nodes(topology.ranks(), topology.ranks() / topology.nodes());
}

}  // namespace

ExchangeRoute fastest_route(std::int64_t lanes, const Topology& topology, double slice_bytes,
                            const Links& links) {
  ExchangeRoute fastest = ExchangeRoute::direct;
  if (topology.nodes() <= 1) return fastest;
  if (suits_halving(topology)) return ExchangeRoute::halving;  // plans of thousands of ranks take seconds
  double least = std::numeric_limits<double>::infinity();
  for (const ExchangeRoute route :
       {ExchangeRoute::direct, ExchangeRoute::two_level, ExchangeRoute::halving}) {
    const ExchangePlan plan = exchange_plan(route, lanes, topology);
    const double takes = seconds(reduce_traffic(plan, topology), slice_bytes, slice_bytes, links) +
                         seconds(gather_traffic(plan, topology), slice_bytes, slice_bytes, links);
    if (takes < least) {
      least = takes;
      fastest = route;
    }
  }
  return fastest;
}

}  // namespace vitrail::sharding
