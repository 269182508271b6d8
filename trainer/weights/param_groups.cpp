#include "trainer/weights/param_groups.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "trainer/settings/train_only.hpp"

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

bool is_embedding(std::string_view name) {
  constexpr std::array<std::string_view, 4> kStem = {"cls_token", "pos_embed", "dist_token", "patch_embed."};
  return std::ranges::any_of(kStem, [&](auto prefix) { return name.starts_with(prefix); });
}

struct Depths {
  std::int64_t blocks = 0, class_blocks = 0;
};

Depths depths_of(const std::vector<models::ParameterSpec>& parameters) {
  Depths depths;
  for (const auto& parameter : parameters) {
    depths.blocks = std::max(depths.blocks, number_after(parameter.name, "blocks.") + 1);
    depths.class_blocks =
        std::max(depths.class_blocks, number_after(parameter.name, "blocks_token_only.") + 1);
  }
  return depths;
}

// For layer decay.
std::int64_t layer_of(std::string_view name, const Depths& depths) {
  if (is_embedding(name)) return 0;
  if (const auto block = number_after(name, "blocks."); block >= 0) return block + 1;
  if (const auto block = number_after(name, "blocks_token_only."); block >= 0) {
    return depths.blocks - depths.class_blocks + 1 + block;
  }
  return name.starts_with("norm.") ? depths.blocks : depths.blocks + 1;
}

}  // namespace

bool is_decayed(const models::ParameterSpec& parameter) {
  const std::string& name = parameter.name;
  if (parameter.shape.size() <= 1 || name.ends_with(".bias")) return false;
  return name != "pos_embed" && name != "cls_token" && name != "dist_token" && name != "reg_token";
}

std::vector<sharding::ParameterRule> parameter_rules(const std::vector<models::ParameterSpec>& parameters,
                                                     const sharding::OptimizerConfig& optimizer,
                                                     const std::string& train_only) {
  const Depths depths = depths_of(parameters);
  const std::vector<bool> trained = trained_parameters(parameters, train_only);
  std::vector<sharding::ParameterRule> rules;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const std::int64_t below_head = depths.blocks + 1 - layer_of(parameters[p].name, depths);
    rules.push_back({trained[p] && is_decayed(parameters[p]) ? optimizer.weight_decay : 0.0,
                     std::pow(optimizer.layer_decay, static_cast<double>(below_head))});
  }
  return rules;
}

std::vector<int> blocks_of_forward(const std::vector<models::ParameterSpec>& parameters) {
  const Depths depths = depths_of(parameters);
  std::vector<int> blocks;
  for (const auto& parameter : parameters) {
    const std::int64_t block = number_after(parameter.name, "blocks.");
    const std::int64_t class_block = number_after(parameter.name, "blocks_token_only.");
    std::int64_t at = depths.blocks + depths.class_blocks + 1;
    if (is_embedding(parameter.name)) at = 0;
    if (block >= 0) at = block + 1;
    if (class_block >= 0) at = depths.blocks + class_block + 1;
    blocks.push_back(static_cast<int>(at));
  }
  return blocks;
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
