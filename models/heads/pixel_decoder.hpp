// MAE's decoder (He et al. 2022): what the network made of the patches that it saw, and one learned token in
// the place of every other, through a small transformer, to the pixels of those others. V of N patches are
// seen: Features::tokens [B,1+V,D] -> [B,N-V,P*P*3] in Logits::classes, by Pass::visible. Rows are patches,
// ascending; a row's pixels go row by row, channels innermost. Names are those of MAE's code.
#pragma once

#include <cstdint>
#include <vector>

#include "models/declaration.hpp"
#include "models/model_config.hpp"

namespace vitrail::models {

class Bound;
struct Features;
struct Logits;
struct Pass;

struct PixelDecoder {
  struct Block {
    SelfAttentionId attention;
    MlpId mlp;
  };

  AffineId embed, norm, pixels;
  ParameterId mask_token = 0, position = 0;
  std::vector<Block> blocks;
  std::int64_t heads = 0, patches = 0;

  Logits operator()(const Features& features, const Bound& p, const Pass& pass) const;
};

// What it has to know of the network that sees.
struct SeenPatches {
  std::int64_t grid = 0, patch = 0;  // N is grid * grid; pixels a side
  std::int64_t tokens = 0;           // 1 + V
};

// In the place of the classifier that `d` ends with. Throws: Error(refused) for numbers that make no decoder.
PixelDecoder declare_pixel_decoder(Declaration& d, const ReconstructionConfig& config,
                                   const SeenPatches& seen, const std::string& model);

}  // namespace vitrail::models
