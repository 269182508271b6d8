// The blocks of a network one after another, announced to the pass, and recomputed in backward in segments of
// so many where that is asked for.
#pragma once

#include <functional>

#include "models/model.hpp"

namespace vitrail::models {

// Block `layer` (0 .. depth-1) of tokens [B,T,D] -> [B,T,D].
using Block = std::function<at::Tensor(const at::Tensor& x, int layer, const Pass& pass)>;

// segment: 0 recomputes nothing.
at::Tensor run_blocks(at::Tensor x, std::int64_t depth, std::int64_t segment, const Pass& pass,
                      const Block& block);

}  // namespace vitrail::models
