// What training an image costs beyond what ModelSummary says: how much its cost varies where stochastic depth
// leaves branches out, and what backward computes a second time. Multiply-accumulates of one image; nothing
// for models that are never trained. Throws: as make_model.
#pragma once

#include "models/model_config.hpp"

namespace vitrail::models {

struct TrainingCost {
  double deviation = 0;  // standard deviation of a forward pass: each branch of each layer is kept or not
  double again = 0;      // of activation checkpointing, on average
};

TrainingCost training_cost(const ModelConfig& config);

}  // namespace vitrail::models
