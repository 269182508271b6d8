#include "models/macs.hpp"

#include <cmath>

namespace vitrail::models {
namespace {

std::int64_t patch_pixels(const VitConfig& vit) { return 3 * vit.patch * vit.patch; }

}  // namespace

std::int64_t vit_macs(const VitConfig& vit) {
  const std::int64_t tokens = vit.tokens(), width = vit.width;
  const std::int64_t embedding = vit.patches() * patch_pixels(vit) * width;
  const std::int64_t norm = 5 * tokens * width;
  const std::int64_t attention =
      4 * tokens * width * width + 2 * tokens * tokens * width;  // qkv, proj; QK', PV
  const std::int64_t mlp = 2 * kMlpRatio * tokens * width * width;
  return embedding + vit.depth * (2 * norm + attention + mlp) + norm + width * vit.classes;
}

std::int64_t vit_activation_bytes(const VitConfig& vit) {
  // Per token: the norm's input with its mean and deviation, the norm's output, qkv, attention's output with
  // one logarithm per head; the norm's again, the hidden layer before and after GELU. With LayerScale also
  // its input.
  const std::int64_t scaled = vit.layer_scale > 0 ? vit.width : 0;
  const std::int64_t attention = 6 * vit.width + 2 + vit.heads + scaled;
  const std::int64_t mlp = (2 + 2 * kMlpRatio) * vit.width + 2 + scaled;
  const std::int64_t blocks = vit.depth * vit.tokens() * (attention + mlp);
  const double kept = (1.0 - vit.drop_path) * static_cast<double>(blocks);
  return 4 * (vit.patches() * patch_pixels(vit) + std::llround(kept));
}

}  // namespace vitrail::models
