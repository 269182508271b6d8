#include "models/families/transformer_config.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ExitCode::refused, message);
}

namespace {

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

}  // namespace

double TransformerConfig::drop_path_of(std::int64_t layer) const {
  if (drop_path_law == DropPathLaw::constant) return drop_path;
  return depth == 1 ? 0 : drop_path * static_cast<double>(layer) / static_cast<double>(depth - 1);
}

DropPath TransformerConfig::drop_paths(int branches) const {
  DropPath law{.rates = {}, .branches = branches};
  for (std::int64_t layer = 0; layer < depth; ++layer) law.rates.push_back(drop_path_of(layer));
  return law;
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

// Backward needs the norm's input with its mean and deviation, the norm's output, qkv, attention's output
// with one logarithm per head. With LayerScale also its input.
BranchCost attention_branch(const TransformerConfig& c, std::int64_t layer, std::int64_t tokens,
                            std::int64_t read) {
  const std::int64_t scaled = c.layer_scale > 0 ? c.width : 0;
  return {.rate = c.drop_path_of(layer),
          .unread = (tokens - read) * (2 * c.width + 2 * tokens) * c.width,  // q, proj; QK', PV
          .kept = tokens * (6 * c.width + 2 + c.heads + scaled),
          .input = tokens * c.width,
          .recomputed = c.checkpointing.attention};
}

// The norm's again, the hidden layer before and after GELU.
BranchCost mlp_branch(const TransformerConfig& c, std::int64_t layer, std::int64_t tokens,
                      std::int64_t read) {
  const std::int64_t scaled = c.layer_scale > 0 ? c.width : 0;
  return {.rate = c.drop_path_of(layer),
          .unread = (tokens - read) * (2 * kMlpRatio * c.width + 5) * c.width,
          .kept = tokens * ((2 + 2 * kMlpRatio) * c.width + 2 + scaled),
          .input = tokens * c.width};
}

SelfAttentionId declare_attention(Declaration& d, const std::string& norm, const std::string& attention,
                                  std::int64_t width, std::int64_t tokens) {
  SelfAttentionId layer;
  layer.norm = d.norm(norm, width, tokens);
  layer.qkv = d.linear(attention + ".qkv", 3 * width, width, tokens);
  d.computes(2 * tokens * tokens * width);  // QK', PV
  layer.proj = d.linear(attention + ".proj", width, width, tokens);
  return layer;
}

MlpId declare_mlp(Declaration& d, const std::string& norm, const std::string& mlp, std::int64_t width,
                  std::int64_t tokens, std::int64_t ratio) {
  MlpId layer;
  layer.norm = d.norm(norm, width, tokens);
  layer.fc1 = d.linear(mlp + ".fc1", ratio * width, width, tokens);
  layer.fc2 = d.linear(mlp + ".fc2", width, ratio * width, tokens);
  return layer;
}

// Of every token the norm's input and output, k and v are kept; what the tokens that ask keep is left out.
ClassBlockId declare_class_block(Declaration& d, const std::string& name, const ClassBlockForm& form) {
  const std::int64_t width = form.width, tokens = form.asking + form.patches;
  ClassBlockId block;
  block.patches_answer_alone = form.patches_answer_alone;
  block.scale = d.layer_scale(name + "gamma_1", width, form.layer_scale);
  const auto mlp_scale = d.layer_scale(name + "gamma_2", width, form.layer_scale);
  block.norm = d.norm(name + "norm1", width, tokens);
  block.attention = declare_class_attention(d, name + "attn", width, form.asking,
                                            form.patches_answer_alone ? form.patches : tokens);
  d.keeps(tokens * (4 * width + 2));
  block.mlp = declare_mlp(d, name + "norm2", name + "mlp", width, form.asking, form.mlp_ratio);
  block.mlp.scale = mlp_scale;
  return block;
}

ClassAttentionId declare_class_attention(Declaration& d, const std::string& name, std::int64_t width,
                                         std::int64_t asking, std::int64_t answering) {
  ClassAttentionId layer;
  layer.q = d.linear(name + ".q", width, width, asking);
  layer.k = d.linear(name + ".k", width, width, answering);
  layer.v = d.linear(name + ".v", width, width, answering);
  d.computes(2 * asking * answering * width);  // QK', PV
  layer.proj = d.linear(name + ".proj", width, width, asking);
  return layer;
}

}  // namespace vitrail::models
