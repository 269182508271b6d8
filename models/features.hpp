// What a network's body gives to its heads.
#pragma once

#include <ATen/core/Tensor.h>

namespace vitrail::models {

struct Features {
  at::Tensor pooled;        // [B,D]: what a head reads: the class token, or the mean over tokens or pixels
  at::Tensor distillation;  // [B,D]: the distillation token; undefined where there is none
};

}  // namespace vitrail::models
