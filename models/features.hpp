// What a network's body gives to its heads.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace vitrail::models {

struct Features {
  // What a head reads: [B,D], the class token or the mean over tokens or pixels; [B,K,D] of a token for each
  // class.
  at::Tensor pooled;
  at::Tensor distillation;  // [B,D]: the distillation token; undefined where there is none
  // If the pass asks for them, both past the last norm:
  std::vector<at::Tensor> blocks = {};  // [B,D] each: what is pooled, after each of the last blocks
  at::Tensor mean = {};                 // [B,D]: the mean over patches or pixels
};

}  // namespace vitrail::models
