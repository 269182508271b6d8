#include "trainer/param_groups.hpp"

namespace vitrail::trainer {

bool is_decayed(const models::ParameterSpec& parameter) {
  const std::string& name = parameter.name;
  if (parameter.shape.size() <= 1 || name.ends_with(".bias")) return false;
  return name != "pos_embed" && name != "cls_token" && name != "dist_token" && name != "reg_token";
}

std::vector<double> weight_decay_by_parameter(const std::vector<models::ParameterSpec>& parameters,
                                              double weight_decay) {
  std::vector<double> decay;
  for (const auto& parameter : parameters) decay.push_back(is_decayed(parameter) ? weight_decay : 0.0);
  return decay;
}

std::vector<sharding::ParameterShape> shapes_for_plan(const std::vector<models::ParameterSpec>& parameters) {
  std::vector<sharding::ParameterShape> shapes;
  for (const auto& parameter : parameters) {
    shapes.push_back({parameter.name, parameter.elements(), is_decayed(parameter)});
  }
  return shapes;
}

}  // namespace vitrail::trainer
