// One rank's part of an exchange plan, round by round: what it sends, receives and adds. Pure. Units: slices.
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/plan/exchange_plan.hpp"

namespace vitrail::sharding {

// Slices of one of the rank's sums that go to a peer, or of a peer's that come.
struct Message {
  int peer = 0;
  int place = 0;  // sent: of the rank's sums
  LaneRange block;
  LaneRange slices;
  std::int64_t received_at = 0;  // received: where in the memory for what is received, in slices
};

struct Term {
  LaneRange block;
  bool received = false;
  int place = 0;                 // else
  std::int64_t received_at = 0;  // if so
};

// Siblings among the terms are added until one sum is left, at `place`.
struct LocalAddition {
  int place = 0;
  LaneRange slices;
  std::vector<Term> terms;  // in lane order
};

struct ReduceRound {
  std::vector<Message> send, receive;
  std::vector<LocalAddition> additions;  // after all has come

  std::int64_t received() const;
};
std::vector<ReduceRound> reduce_rounds(const ExchangePlan& plan, int rank);

// Slices of the bucket itself, to or from a peer. Nobody gets a slice twice.
struct Part {
  int peer = 0;
  LaneRange slices;
};
struct GatherRound {
  std::vector<Part> send, receive;
};
std::vector<GatherRound> gather_rounds(const ExchangePlan& plan, int rank);

}  // namespace vitrail::sharding
