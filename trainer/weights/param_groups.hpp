// Which parameters decay and which count as matrices, by name and shape, never by position.
// Source: timm's rule (no decay for 1-D tensors, biases, position embeddings and tokens).
#pragma once

#include <string>
#include <vector>

#include "models/model.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::trainer {

bool is_decayed(const models::ParameterSpec& parameter);

// Weight decay where is_decayed, else 0; learning rate times layer_decay for every layer between the
// parameter's and the head: embedding 0, blocks from 1 on (class-attention blocks beside the last ones, the
// final norm with the last), head. Source: timm's param_groups_layer_decay. What is not trained
// (train_only.hpp) has no decay.
std::vector<sharding::ParameterRule> parameter_rules(const std::vector<models::ParameterSpec>& parameters,
                                                     const sharding::OptimizerConfig& optimizer,
                                                     const std::string& train_only = "");

// Where a forward pass first uses each parameter, as Pass::before_block counts: embedding 0, blocks from 1
// on, class-attention blocks after them, final norm and heads last.
std::vector<int> blocks_of_forward(const std::vector<models::ParameterSpec>& parameters);

// The decayed ones are the matrices: what a half-precision run stores in the compute type.
DataType stored_type(const models::ParameterSpec& parameter, DataType compute_type);
std::vector<sharding::ParameterShape> shapes_for_plan(const std::vector<models::ParameterSpec>& parameters);

}  // namespace vitrail::trainer
