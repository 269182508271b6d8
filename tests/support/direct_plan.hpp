// The exchange plan of tests that are about something else.
#pragma once

#include "sharding/comm/communicator.hpp"
#include "sharding/plan/exchange_plan.hpp"

namespace vitrail::tests {

inline sharding::ExchangePlan direct_plan(std::int64_t lanes, const sharding::Communicator& ranks) {
  return sharding::exchange_plan(sharding::ExchangeRoute::direct, lanes, sharding::one_node(ranks.size()));
}

}  // namespace vitrail::tests
