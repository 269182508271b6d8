// What a network's body gives to its heads.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace vitrail::models {

struct Features {
  at::Tensor pooled;        // [B,D]: what a head reads: the class token, or the mean over tokens or pixels
  at::Tensor distillation;  // [B,D]: the distillation token; undefined where there is none
  std::vector<at::Tensor> blocks = {};  // pooled outputs of the last blocks, if the pass asks for them
};

}  // namespace vitrail::models
