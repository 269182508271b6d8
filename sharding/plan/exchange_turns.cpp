#include "sharding/plan/exchange_turns.hpp"

namespace vitrail::sharding {
namespace {

RoundHalves halves(int opening, int rounds, bool backwards) {
  return {static_cast<std::size_t>(opening), static_cast<std::size_t>(rounds - opening), backwards};
}

}  // namespace

RoundHalves reduce_halves(const ExchangePlan& plan) {
  return halves(plan.opening_rounds(), plan.rounds, false);
}

RoundHalves gather_halves(const ExchangePlan& plan) {
  return halves(plan.opening_rounds_back(), plan.rounds, true);
}

std::vector<CallRounds> rounds_of_calls(const RoundHalves& halves, bool opens, bool closes) {
  const std::size_t opening = opens ? halves.opening : 0, closing = closes ? halves.closing : 0;
  std::vector<CallRounds> calls(std::max(opening, closing));
  const auto first = [&](std::size_t rounds) { return halves.backwards ? calls.size() - rounds : 0; };
  for (std::size_t r = 0; r < opening; ++r) calls[first(opening) + r].opening = r;
  for (std::size_t r = 0; r < closing; ++r) calls[first(closing) + r].closing = halves.opening + r;
  return calls;
}

}  // namespace vitrail::sharding
