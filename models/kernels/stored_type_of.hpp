// LibTorch's name of a type as our kernels know it. Throws Error(refused) naming what for another one.
#pragma once

#include <c10/core/ScalarType.h>

#include "models/kernels/stored_type.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {

inline cuda::StoredType stored_type_of(at::ScalarType type, const char* what) {
  switch (type) {
    case at::kFloat:
      return cuda::StoredType::fp32;
    case at::kHalf:
      return cuda::StoredType::fp16;
    case at::kBFloat16:
      return cuda::StoredType::bf16;
    default:
      throw Error(
          ExitCode::refused,
          fmt::format("{} is computed in fp32, fp16 or bf16 on GPUs, not in {}: set precision.compute", what,
                      c10::toString(type)));
  }
}

}  // namespace vitrail::models
