#include "models/layers/blocks.hpp"

#include <algorithm>

#include <ATen/ATen.h>

#include "models/layers/recompute.hpp"

namespace vitrail::models {

at::Tensor run_blocks(at::Tensor x, std::int64_t depth, std::int64_t segment, const Pass& pass,
                      const Block& block) {
  const int blocks = static_cast<int>(depth);
  const auto run = [pass, block](at::Tensor z, int begin, int end, bool again) {
    for (int layer = begin; layer < end; ++layer) {
      if (!again) pass.enter(layer + 1);
      z = block(z, layer, pass);
    }
    return z;
  };
  if (segment == 0) return run(x, 0, blocks, false);
  const int length = static_cast<int>(std::min(segment, depth));
  for (int begin = 0; begin < blocks; begin += length) {
    const int end = std::min(begin + length, blocks);
    x = recomputed(x, [=](const at::Tensor& z, bool again) { return run(z, begin, end, again); });
  }
  return x;
}

}  // namespace vitrail::models
