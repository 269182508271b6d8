#include "models/families/transformer_config.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ExitCode::refused, message);
}

void validate(const TransformerConfig& c) {
  const auto at_least_one = [](const char* key, std::int64_t value) {
    require(value >= 1, fmt::format("model.{} = {}: must be at least 1", key, value));
  };
  at_least_one("patch", c.patch);
  at_least_one("width", c.width);
  at_least_one("depth", c.depth);
  at_least_one("heads", c.heads);
  at_least_one("classes", c.classes);
  require(c.width % c.heads == 0,
          fmt::format("model.heads = {} does not divide model.width = {}", c.heads, c.width));
  require(c.image_size >= c.patch,
          fmt::format("model.image_size = {0} is smaller than one patch: set model.image_size to {1} or more "
                      "(model.patch = {1})",
                      c.image_size, c.patch));
  require(c.drop_path >= 0 && c.drop_path < 1,
          fmt::format("model.drop_path = {}: must be at least 0 and below 1", c.drop_path));
  require(std::isfinite(c.layer_scale) && c.layer_scale >= 0,
          fmt::format("model.layer_scale = {}: must be 0 (none) or a positive number", c.layer_scale));
}

ActivationCheckpointing checkpointing(const std::string& text) {
  const auto read = read_activation_checkpointing(text);
  require(
      read.has_value(),
      fmt::format("model.activation_checkpointing = {}: must be none, attention, block or every:K", text));
  return *read;
}

// Numbers that a branch keeps of a token that it is computed for.
struct BranchNumbers {
  std::int64_t attention, mlp;
};

BranchNumbers kept_by_branches(const TransformerConfig& c) {
  // The norm's input with its mean and deviation, the norm's output, qkv, attention's output with one
  // logarithm per head; the norm's again, the hidden layer before and after GELU. With LayerScale also its
  // input.
  const std::int64_t scaled = c.layer_scale > 0 ? c.width : 0;
  return {6 * c.width + 2 + c.heads + scaled, (2 + 2 * kMlpRatio) * c.width + 2 + scaled};
}

}  // namespace

double TransformerConfig::drop_path_of(std::int64_t layer) const {
  if (drop_path_law == DropPathLaw::constant) return drop_path;
  return depth == 1 ? 0 : drop_path * static_cast<double>(layer) / static_cast<double>(depth - 1);
}

double TransformerConfig::layers_computed() const {
  double layers = 0;
  for (std::int64_t layer = 0; layer < depth; ++layer) layers += 1 - drop_path_of(layer);
  return layers;
}

TransformerConfig transformer_config(const ModelConfig& config, const std::string& name,
                                     const TransformerSize& own, double own_layer_scale,
                                     DropPathLaw own_law) {
  const bool has_law = config.drop_path_law != DropPathLaw::of_model;
  TransformerConfig all{.name = name,
                        .patch = config.patch.value_or(own.patch),
                        .width = config.width.value_or(own.width),
                        .depth = config.depth.value_or(own.depth),
                        .heads = config.heads.value_or(own.heads),
                        .image_size = config.image_size,
                        .classes = config.classes,
                        .drop_path = config.drop_path,
                        .layer_scale = config.layer_scale.value_or(own_layer_scale),
                        .drop_path_law = has_law ? config.drop_path_law : own_law,
                        .checkpointing = checkpointing(config.activation_checkpointing)};
  validate(all);
  return all;
}

std::int64_t patch_embedding_macs(const TransformerConfig& c) {
  return c.patches() * 3 * c.patch * c.patch * c.width;
}

std::int64_t norm_macs(std::int64_t tokens, std::int64_t width) { return 5 * tokens * width; }

std::int64_t attention_macs(std::int64_t tokens, std::int64_t width) {
  const std::int64_t linear = 4 * tokens * width * width;     // qkv, proj
  const std::int64_t products = 2 * tokens * tokens * width;  // QK', PV
  return norm_macs(tokens, width) + linear + products;
}

std::int64_t mlp_macs(std::int64_t tokens, std::int64_t width) {
  return norm_macs(tokens, width) + 2 * kMlpRatio * tokens * width * width;
}

std::int64_t kept_by_blocks(const TransformerConfig& c, std::int64_t tokens, std::int64_t parallel) {
  const BranchNumbers branch = kept_by_branches(c);
  const std::int64_t segment = c.checkpointing.blocks;
  double kept = 0;     // until backward
  double again = 0;    // the largest part that backward computes again
  double current = 0;  // of the segment so far
  for (std::int64_t layer = 0; layer < c.depth; ++layer) {
    const double rate = c.drop_path_of(layer);
    const double images = (1.0 - rate) * static_cast<double>(tokens);
    const auto branches = static_cast<double>(parallel);
    const double input = images * static_cast<double>(c.width);
    // Parallel branches share their input, unless each picks its own images from it.
    const double shared = rate == 0 ? (branches - 1) * input : 0;
    const double attention = images * static_cast<double>(branch.attention);
    const double mlps = branches * images * static_cast<double>(branch.mlp) - shared;
    const double block = branches * attention - shared + mlps;
    if (segment > 0) {
      if (layer % segment == 0) {
        kept += static_cast<double>(tokens * c.width);
        current = 0;
      }
      current += block;
      again = std::max(again, current);
    } else if (c.checkpointing.attention) {
      kept += branches * input - shared + mlps;
      again = std::max(again, attention);
    } else {
      kept += block;
    }
  }
  return std::llround(kept + again);
}

}  // namespace vitrail::models
