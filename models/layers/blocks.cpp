#include "models/layers/blocks.hpp"

#include <algorithm>

#include <ATen/ATen.h>

#include "models/layers/recompute.hpp"

namespace vitrail::models {

at::Tensor run_blocks(at::Tensor x, const TransformerConfig& config, const Pass& pass, const Block& block) {
  const int depth = static_cast<int>(config.depth);
  const auto run = [pass, block](at::Tensor z, int begin, int end, bool again) {
    for (int layer = begin; layer < end; ++layer) {
      if (!again) pass.enter(layer + 1);
      z = block(z, layer, pass);
    }
    return z;
  };
  if (config.checkpointing.blocks == 0) return run(x, 0, depth, false);
  const int segment = static_cast<int>(std::min(config.checkpointing.blocks, config.depth));
  for (int begin = 0; begin < depth; begin += segment) {
    const int end = std::min(begin + segment, depth);
    x = recomputed(x, [=](const at::Tensor& z, bool again) { return run(z, begin, end, again); });
  }
  return x;
}

}  // namespace vitrail::models
