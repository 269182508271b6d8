// The hMLP stem (Touvron et al. 2022, "Three things everyone should know about vision transformers"): patches
// of 16 pixels from patches of 4 and twice 2 x 2 of those, with batch norm and GELU between. [B,3,S,S] ->
// [B,T,D].
#pragma once

#include "models/families/vit/vit_config.hpp"
#include "models/layers/bound.hpp"
#include "models/model.hpp"

namespace vitrail::models {

at::Tensor hmlp_stem(const at::Tensor& images, const HmlpStemId& stem, const Bound& p, const Pass& pass);

}  // namespace vitrail::models
