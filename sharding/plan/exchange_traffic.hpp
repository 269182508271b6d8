// What an exchange plan sends over which links and what that costs: for `plan`, for the choice among plans
// and for the words at the start of a run. Pure. Units: slices, seconds.
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/plan/exchange_plan.hpp"

namespace vitrail::sharding {

struct Sent {
  std::int64_t inside = 0;  // slices that stay on their node
  std::int64_t across = 0;  // slices that leave it
  std::int64_t messages = 0;

  std::int64_t slices() const { return inside + across; }
  Sent& operator+=(const Sent& other);
  bool operator==(const Sent&) const = default;
};

// Of every rank in every round.
class ExchangeTraffic {
 public:
  ExchangeTraffic(int rounds, int world)
      : rounds_(static_cast<std::size_t>(rounds), std::vector<Sent>(static_cast<std::size_t>(world))) {}

  Sent& at(int round, int rank) {
    return rounds_[static_cast<std::size_t>(round)][static_cast<std::size_t>(rank)];
  }
  const std::vector<std::vector<Sent>>& rounds() const { return rounds_; }  // [round][rank]
  Sent of_rank(int rank) const;
  Sent of_busiest() const;  // the most of each that any rank sends
  Sent of_all() const;

 private:
  std::vector<std::vector<Sent>> rounds_;
};

// Of the sums; none of the library's.
ExchangeTraffic reduce_traffic(const ExchangePlan& plan, const Topology& topology);
// Of slices to all ranks.
ExchangeTraffic gather_traffic(const ExchangePlan& plan, const Topology& topology);

// Of one rank, one direction.
struct Links {
  double node_bytes_per_s = 0;
  double network_bytes_per_s = 0;
  double message_s = 0;
};

// One round after the other, each as long as its busiest rank takes; both kinds of links work at a time.
double seconds(const ExchangeTraffic& traffic, double slice_bytes, const Links& links);

// The one of direct, two_level and halving that takes least for a bucket's sums and, back, its weights: the
// first of those that take as long. Ranks of one node: direct.
ExchangeRoute fastest_route(std::int64_t lanes, const Topology& topology, double slice_bytes,
                            const Links& links);

}  // namespace vitrail::sharding
