#include "trainer/weights/param_groups.hpp"

#include <algorithm>
#include <cmath>

#include "trainer/settings/train_only.hpp"

namespace vitrail::trainer {
namespace {

// PyTorch's momentum of batch norms: the share of a step's batch in the running statistics.
constexpr double kStatisticShare = 0.1;

bool decays(const models::ParameterSpec& parameter, const sharding::OptimizerConfig& optimizer) {
  const bool is_token = parameter.role == models::Role::token || parameter.role == models::Role::position;
  return parameter.decays || (optimizer.decay_tokens && is_token);
}

// Elements that make one output: a row of a matrix, a channel's kernel, a vector as a whole. timm's rule.
std::int64_t unit_of(const models::ParameterSpec& parameter) {
  const bool rows = parameter.shape.size() > 1;
  return rows ? parameter.elements() / parameter.shape.front() : parameter.elements();
}

}  // namespace

std::vector<sharding::ParameterRule> parameter_rules(const std::vector<models::ParameterSpec>& parameters,
                                                     const sharding::OptimizerConfig& optimizer,
                                                     const std::string& train_only) {
  const std::vector<bool> trained = trained_parameters(parameters, train_only);
  int last = 0;
  for (const auto& parameter : parameters) last = std::max(last, parameter.layer);
  std::vector<sharding::ParameterRule> rules;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const models::ParameterSpec& parameter = parameters[p];
    rules.push_back(
        {.weight_decay = trained[p] && decays(parameter, optimizer) ? optimizer.weight_decay : 0.0,
         .lr_scale = std::pow(optimizer.layer_decay, static_cast<double>(last - parameter.layer)),
         .statistic_share = trained[p] && parameter.is_statistic() ? kStatisticShare : 0.0,
         .unit = parameter.head && !optimizer.clip_adaptive_head ? 0 : unit_of(parameter),
         .late = parameter.late});
  }
  return rules;
}

DataType stored_type(const models::ParameterSpec& parameter, DataType compute_type) {
  return parameter.in_compute_type ? compute_type : sum_type(compute_type);
}

std::vector<sharding::ParameterShape> shapes_for_plan(const std::vector<models::ParameterSpec>& parameters) {
  std::vector<sharding::ParameterShape> shapes;
  for (const auto& parameter : parameters) {
    shapes.push_back({parameter.name, parameter.elements(), parameter.in_compute_type, parameter.head});
  }
  return shapes;
}

}  // namespace vitrail::trainer
