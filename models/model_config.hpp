// Settings of the model; bound to keys in launcher/options.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vitrail::models {

// Interpolation of position embeddings: as DeiT does it, or as timm does.
enum class PositionResize { bicubic, antialias };

struct ModelConfig {
  std::string name = "vit_s16";
  std::int64_t image_size = 224;
  std::int64_t classes = 1000;
  double drop_path = 0.0;     // stochastic depth rate, the same for every layer
  double layer_scale = 1e-4;  // initial value; 0: no LayerScale
  std::string weights;        // safetensors under timm's names to start from; empty: random
  PositionResize position_resize = PositionResize::bicubic;  // where weights are of another image size
  // Overrides of a named size; absent: the named size's own.
  std::optional<std::int64_t> patch, width, depth, heads;
};

}  // namespace vitrail::models
