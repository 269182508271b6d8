// What a network's body gives to its heads.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace vitrail::models {

struct Features {
  at::Tensor pooled;        // [B,D]: what a head reads: the class token, or the mean over tokens or pixels
  at::Tensor distillation;  // [B,D]: the distillation token; undefined where there is none
  // If the pass asks for them, both past the last norm:
  std::vector<at::Tensor> blocks = {};  // [B,D] each: what is pooled, after each of the last blocks
  at::Tensor mean = {};                 // [B,D]: the mean over patches or pixels
};

}  // namespace vitrail::models
