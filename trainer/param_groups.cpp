#include "trainer/param_groups.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

namespace vitrail::trainer {
namespace {

// N of a name that begins "blocks.N."; -1 for others.
std::int64_t number_after(std::string_view name, std::string_view prefix) {
  std::int64_t number = -1;
  if (name.starts_with(prefix)) {
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), number);
  }
  return number;
}

std::int64_t layer_of(std::string_view name, std::int64_t depth, std::int64_t class_blocks) {
  constexpr std::array<std::string_view, 4> kStem = {"cls_token", "pos_embed", "dist_token", "patch_embed."};
  if (std::ranges::any_of(kStem, [&](auto prefix) { return name.starts_with(prefix); })) return 0;
  if (const auto block = number_after(name, "blocks."); block >= 0) return block + 1;
  if (const auto block = number_after(name, "blocks_token_only."); block >= 0) {
    return depth - class_blocks + 1 + block;
  }
  return name.starts_with("norm.") ? depth : depth + 1;
}

}  // namespace

bool is_decayed(const models::ParameterSpec& parameter) {
  const std::string& name = parameter.name;
  if (parameter.shape.size() <= 1 || name.ends_with(".bias")) return false;
  return name != "pos_embed" && name != "cls_token" && name != "dist_token" && name != "reg_token";
}

std::vector<sharding::ParameterRule> parameter_rules(const std::vector<models::ParameterSpec>& parameters,
                                                     const sharding::OptimizerConfig& optimizer) {
  std::int64_t depth = 0, class_blocks = 0;
  for (const auto& parameter : parameters) {
    depth = std::max(depth, number_after(parameter.name, "blocks.") + 1);
    class_blocks = std::max(class_blocks, number_after(parameter.name, "blocks_token_only.") + 1);
  }
  std::vector<sharding::ParameterRule> rules;
  for (const auto& parameter : parameters) {
    const std::int64_t below_head = depth + 1 - layer_of(parameter.name, depth, class_blocks);
    rules.push_back({is_decayed(parameter) ? optimizer.weight_decay : 0.0,
                     std::pow(optimizer.layer_decay, static_cast<double>(below_head))});
  }
  return rules;
}

DataType stored_type(const models::ParameterSpec& parameter, DataType compute_type) {
  return is_decayed(parameter) ? compute_type : sum_type(compute_type);
}

std::vector<sharding::ParameterShape> shapes_for_plan(const std::vector<models::ParameterSpec>& parameters) {
  std::vector<sharding::ParameterShape> shapes;
  for (const auto& parameter : parameters) {
    shapes.push_back({parameter.name, parameter.elements(), is_decayed(parameter)});
  }
  return shapes;
}

}  // namespace vitrail::trainer
