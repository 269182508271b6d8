// What a forward pass gives: the class head's logits [B,K], and the distillation head's where there is one.
#pragma once

#include <ATen/core/Tensor.h>

namespace vitrail::models {

struct Logits {
  at::Tensor classes;
  at::Tensor distillation;  // undefined without that head

  at::Tensor mean() const;  // the prediction, fp32 for halves: of both heads, or the only one
};

}  // namespace vitrail::models
