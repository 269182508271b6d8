// What the optimizer and the bucket plan need to know of a model's parameters, from what these declare.
#pragma once

#include <string>
#include <vector>

#include "models/parameter_spec.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/state/sharded_optimizer.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::trainer {

// Weight decay where it applies, else 0; learning rate times layer_decay for every layer between the
// parameter's and the head; units for adaptive clipping. Source: timm's param_groups_layer_decay. What is not
// trained (train_only.hpp) has no decay, and is no statistic that follows the batches.
std::vector<sharding::ParameterRule> parameter_rules(const std::vector<models::ParameterSpec>& parameters,
                                                     const sharding::OptimizerConfig& optimizer,
                                                     const std::string& train_only = "");

// Matrices in the compute type, the rest in at least fp32.
DataType stored_type(const models::ParameterSpec& parameter, DataType compute_type);
std::vector<sharding::ParameterShape> shapes_for_plan(const std::vector<models::ParameterSpec>& parameters);

}  // namespace vitrail::trainer
