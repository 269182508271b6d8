// Which parameters decay and which count as matrices, by name and shape, never by position.
// Source: timm's rule (no decay for 1-D tensors, biases, position embeddings and tokens).
#pragma once

#include <vector>

#include "models/model.hpp"
#include "sharding/bucket_plan.hpp"

namespace vitrail::trainer {

bool is_decayed(const models::ParameterSpec& parameter);

// `weight_decay` where is_decayed, else 0; by parameter.
std::vector<double> weight_decay_by_parameter(const std::vector<models::ParameterSpec>& parameters,
                                              double weight_decay);

// The decayed ones are the matrices: what a half-precision run stores in the compute type.
std::vector<sharding::ParameterShape> shapes_for_plan(const std::vector<models::ParameterSpec>& parameters);

}  // namespace vitrail::trainer
