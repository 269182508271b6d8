// The blocks of a transformer one after another, announced to the pass, and recomputed in backward where the
// configuration asks for it.
#pragma once

#include <functional>

#include "models/model.hpp"
#include "models/families/transformer_config.hpp"

namespace vitrail::models {

// Block `layer` (0 .. depth-1) of tokens [B,T,D] -> [B,T,D].
using Block = std::function<at::Tensor(const at::Tensor& x, int layer, const Pass& pass)>;

at::Tensor run_blocks(at::Tensor x, const TransformerConfig& config, const Pass& pass, const Block& block);

}  // namespace vitrail::models
