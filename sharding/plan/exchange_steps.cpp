#include "sharding/plan/exchange_steps.hpp"

#include <algorithm>
#include <utility>

namespace vitrail::sharding {
namespace {

LocalAddition received_addition(const Addition& addition, ReduceRound& round, std::int64_t& received) {
  LocalAddition local{addition.sum.home.place, addition.slices, {}};
  for (const PlacedSum& term : addition.terms) {
    if (term.home.rank == addition.sum.home.rank) {
      local.terms.push_back({term.block, false, term.home.place, 0});
      continue;
    }
    local.terms.push_back({term.block, true, 0, received});
    round.receive.push_back({term.home.rank, 0, term.block, addition.slices, received});
    received += addition.slices.count();
  }
  return local;
}

}  // namespace

std::int64_t ReduceRound::received() const {
  std::int64_t slices = 0;
  for (const Message& message : receive) slices += message.slices.count();
  return slices;
}

std::vector<ReduceRound> reduce_rounds(const ExchangePlan& plan, int rank) {
  std::vector<ReduceRound> rounds(static_cast<std::size_t>(plan.rounds));
  std::vector<std::int64_t> received(rounds.size());
  for_each_addition(plan, rank, [&](const Addition& addition) {
    const auto r = static_cast<std::size_t>(addition.round);
    ReduceRound& round = rounds[r];
    if (addition.sum.home.rank == rank) {
      round.additions.push_back(received_addition(addition, round, received[r]));
      return;
    }
    for (const PlacedSum& term : addition.terms) {
      if (term.home.rank == rank) {
        round.send.push_back({addition.sum.home.rank, term.home.place, term.block, addition.slices, 0});
      }
    }
  });
  return rounds;
}

std::vector<GatherRound> gather_rounds(const ExchangePlan& plan, int rank) {
  std::vector<GatherRound> rounds(static_cast<std::size_t>(plan.rounds));
  for_each_transfer(plan, [&](const Transfer& transfer) {
    GatherRound& round = rounds[static_cast<std::size_t>(transfer.round)];
    if (transfer.from == rank) round.send.push_back({transfer.to, transfer.slices});
    if (transfer.to == rank) round.receive.push_back({transfer.from, transfer.slices});
  });
  return rounds;
}

}  // namespace vitrail::sharding
