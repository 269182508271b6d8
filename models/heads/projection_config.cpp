#include <fmt/format.h>

#include "models/heads/projection_head.hpp"

namespace vitrail::models {

// Names and laws of DINO's code: weight normalisation keeps a linear layer's usual first directions.
ProjectionHead declare_projection(Declaration& d, const ProjectionConfig& config, const std::string& model) {
  std::int64_t width = d.drop_head(model);
  const std::size_t first = d.parameters().size();
  ProjectionHead head;
  int place = 0;
  for (const std::int64_t out : {config.hidden, config.hidden, config.bottleneck}) {
    const bool is_last = head.layers.size() == 2;
    ProjectionHead::Layer layer{d.linear(fmt::format("head.mlp.{}", place), out, width, 1), {}};
    if (config.batch_norm && !is_last) layer.norm = d.batch_norm(fmt::format("head.mlp.{}", place + 1), out);
    place += config.batch_norm ? 3 : 2;
    width = out;
    head.layers.push_back(layer);
  }
  d.computes(config.outputs * width);
  d.keeps(2 * config.hidden + 2 * config.bottleneck + config.outputs);
  head.lengths = d.matrix("head.last_layer.weight_g", {config.outputs, 1}, kOne);
  d.last().in_compute_type = false;
  d.last().fixed = config.fixed_lengths;
  d.last().late = true;
  head.directions = d.matrix("head.last_layer.weight_v", {config.outputs, width}, uniform_by_fan_in(width));
  d.last().late = true;
  d.mark_head(first);
  return head;
}

}  // namespace vitrail::models
