// What a step computes for one sample, over all views of it that the task's networks look at.
#pragma once

#include <cstdint>

#include "models/model_config.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

struct SampleCost {
  double student = 0, teacher = 0;    // multiply-accumulates of their forward passes, on average
  double again = 0;                   // of the student's, that backward computes a second time
  double deviation = 0;               // standard deviation of the student's
  std::int64_t activation_bytes = 0;  // in fp32, until the student's backward pass
};

// Numbers that all lanes together add to a step's one exchange.
std::int64_t shared_numbers(const Config& config);

// Numbers that a run remembers of each training sample, on every rank and in its checkpoints.
std::int64_t remembered_numbers(const Config& config);

// `network`: network_of(config), maybe at another rate of stochastic depth.
SampleCost sample_cost(const Config& config, const models::ModelConfig& network);

}  // namespace vitrail::trainer
