// Bytes that a run's weights, state and gradients take on the rank that needs most: a pure value, printed
// before the first step and compared with what is really taken by tests and tests/bench. Activations are not
// in it.
#pragma once

#include <cstdint>

#include "sharding/plan/exchange_plan.hpp"
#include "sharding/plan/reducer_options.hpp"

namespace vitrail::sharding {

struct MemoryPlan {
  std::int64_t weights = 0;    // what the model computes with: every rank has all
  std::int64_t state = 0;      // master weights, moments, average of the lanes held
  std::int64_t gradients = 0;  // sums over lanes; stage 2: buckets on their way and the own slices
  std::int64_t exchange = 0;   // of the buckets in turn, from others in the round that brings most
  int full_sums = 0;           // whole gradients among `gradients`

  std::int64_t total() const { return weights + state + gradients + exchange; }
};

// What ranks keep of every weight.
struct KeptWeights {
  DataType compute{};     // type of the matrices that they compute with
  std::size_t kinds = 0;  // values a weight in the state: state_kinds().size()
  int networks = 1;       // sets of weights to compute with
};

MemoryPlan memory_plan(const BucketPlan& plan, const ExchangePlan& exchange, const ReducerOptions& settings,
                       const KeptWeights& kept);

}  // namespace vitrail::sharding
