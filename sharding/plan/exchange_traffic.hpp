// What an exchange plan sends over which links and what that costs: for `plan`, for the choice among plans
// and for the words at the start of a run. Pure. Units: slices, seconds.
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/plan/exchange_plan.hpp"
#include "sharding/plan/exchange_turns.hpp"

namespace vitrail::sharding {

struct Sent {               // or received
  std::int64_t inside = 0;  // slices that stay on their node
  std::int64_t across = 0;  // slices that leave it
  std::int64_t messages = 0, messages_across = 0;

  std::int64_t slices() const { return inside + across; }
  Sent& operator+=(const Sent& other);
  bool operator==(const Sent&) const = default;
};

// Of every rank in every round.
class ExchangeTraffic {
 public:
  ExchangeTraffic(const RoundHalves& halves, int world)
      : halves_(halves),
        rounds_(halves.opening + halves.closing, std::vector<Sent>(static_cast<std::size_t>(world))),
        received_(rounds_),
        moved_(rounds_.size(), std::vector<std::int64_t>(static_cast<std::size_t>(world))) {}

  Sent& at(int round, int rank) {
    return rounds_[static_cast<std::size_t>(round)][static_cast<std::size_t>(rank)];
  }
  Sent& received_at(int round, int rank) {
    return received_[static_cast<std::size_t>(round)][static_cast<std::size_t>(rank)];
  }
  // Slices that a rank reads and writes to add what has come.
  std::int64_t& moved_at(int round, int rank) {
    return moved_[static_cast<std::size_t>(round)][static_cast<std::size_t>(rank)];
  }
  const std::vector<std::vector<Sent>>& rounds() const { return rounds_; }      // [round][rank]
  const std::vector<std::vector<Sent>>& received() const { return received_; }  // likewise
  const std::vector<std::vector<std::int64_t>>& moved() const { return moved_; }
  const RoundHalves& halves() const { return halves_; }
  Sent of_rank(int rank) const;
  Sent of_busiest() const;  // the most of each that any rank sends
  Sent of_all() const;

 private:
  RoundHalves halves_;
  std::vector<std::vector<Sent>> rounds_, received_;
  std::vector<std::vector<std::int64_t>> moved_;
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

// Of one call: how long its busiest rank takes while both kinds of links work at a time, each in both
// directions, and the most bytes that a rank reads and writes to add what has come in it.
struct CallCost {
  double seconds = 0;
  double moved_bytes = 0;
};

// Arguments: bytes of a slice of the bucket that opens in the call and of the one that closes.
CallCost call_cost(const ExchangeTraffic& traffic, const CallRounds& call, double opening, double closing,
                   const Links& links);
// The opening rounds of one bucket beside the others of the bucket before; 0 where there is none.
double seconds(const ExchangeTraffic& traffic, double opening, double closing, const Links& links);

// What the choice of a route assumes, so that a plan of a run and the run choose alike: only how much slower
// the network is than a node's links, and what a message costs beside a byte.
inline constexpr Links kUsualLinks{.node_bytes_per_s = 300e9, .network_bytes_per_s = 30e9, .message_s = 5e-6};

// The one of direct, two_level and halving that takes least for the sums and, back, the weights of a bucket
// among others as large: the first of those that take as long. Ranks of one node: direct.
ExchangeRoute fastest_route(std::int64_t lanes, const Topology& topology, double slice_bytes,
                            const Links& links = kUsualLinks);
const char* name_of(ExchangeRoute route);

}  // namespace vitrail::sharding
