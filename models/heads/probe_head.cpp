#include "models/heads/probe_head.hpp"

#include <ATen/ATen.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/bound.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {

Logits ProbeHead::operator()(const Features& features, const Bound& p, const Pass& /*pass*/) const {
  const at::Tensor read = chosen(features, reads);
  const std::int64_t wanted = p[classes.weight].size(1);
  if (read.dim() != 2 || read.size(1) != wanted) {
    throw Error(
        ExitCode::refused,
        fmt::format("linear.features: they are {}, of blocks as wide as the last one [B, {}] was expected",
                    format_shape(read.sizes().vec()), wanted),
        "choose fewer blocks, or linear.features = head");
  }
  return {linear(read, p[classes]), {}};
}

}  // namespace vitrail::models
