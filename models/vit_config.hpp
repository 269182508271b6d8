// The vision transformer's numbers in the DeiT III form (Touvron, Cord, Jegou, ECCV 2022): pre-norm blocks,
// LayerScale, class token joined after the position embedding was added to the patches. Throws: Error(usage)
// for an unknown name, Error(refused) for numbers that make no network; both name the key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/model_config.hpp"
#include "models/parameter_spec.hpp"

namespace vitrail::models {

inline constexpr std::int64_t kMlpRatio = 4;

struct VitConfig {
  std::string name;  // ours, also where the user gave timm's
  std::int64_t patch = 16, width = 384, depth = 12, heads = 6;
  std::int64_t image_size = 224, classes = 1000;
  double drop_path = 0, layer_scale = 1e-4;

  // Patches per side. Pixels that fill no whole patch, at the right and the bottom, are not looked at.
  std::int64_t grid() const { return image_size / patch; }
  std::int64_t patches() const { return grid() * grid(); }
  std::int64_t tokens() const { return patches() + 1; }
};

std::vector<std::string> vit_names();    // our names
std::vector<std::string> vit_aliases();  // timm's names of the same networks

VitConfig resolve_vit(const ModelConfig& config);

// In the order of the forward pass, which is also timm's.
std::vector<ParameterSpec> vit_parameters(const VitConfig& config);

}  // namespace vitrail::models
