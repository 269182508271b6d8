// Settings of the model; bound to keys in trainer/settings/sections/model.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vitrail::models {

// Interpolation of position embeddings: as DeiT does it, or as timm does.
enum class PositionResize { bicubic, antialias };
enum class DropPathLaw { of_model, constant, linear };

struct ModelConfig {
  std::string name = "vit_s16";
  std::int64_t image_size = 224;
  std::int64_t classes = 1000;
  double drop_path = 0.0;  // stochastic depth rate: of every layer, or of the last one, by drop_path_law
  double dropout = 0.0;    // rate, behind positions and linear layers
  DropPathLaw drop_path_law = DropPathLaw::of_model;
  std::int64_t batch_norm_lanes = 1;              // whose images a batch norm sees as one batch
  std::string activation_checkpointing = "none";  // see activation_checkpointing.hpp
  std::string weights;  // safetensors under timm's names to start from; empty: random
  PositionResize position_resize = PositionResize::bicubic;  // where weights are of another image size
  // Absent: the named model's own.
  std::optional<double> layer_scale;  // initial value; 0: no LayerScale
  std::optional<std::int64_t> patch, width, depth, heads, parallel;
};

}  // namespace vitrail::models
