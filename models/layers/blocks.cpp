#include "models/layers/blocks.hpp"

#include <algorithm>

#include <ATen/ATen.h>

#include "models/layers/recompute.hpp"

namespace vitrail::models {

at::Tensor run_blocks(at::Tensor x, std::int64_t depth, std::int64_t segment, const Pass& pass,
                      const Block& block) {
  const int blocks = static_cast<int>(depth);
  Pass second = pass;  // has nothing new to report
  second.before_block = nullptr;
  second.batch_statistic = nullptr;
  const auto run = [pass, second, block](at::Tensor z, int begin, int end, bool again) {
    const Pass& now = again ? second : pass;
    for (int layer = begin; layer < end; ++layer) {
      now.enter(layer + 1);
      z = block(z, layer, now);
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
