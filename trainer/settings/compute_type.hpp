// The element type in which a precision computes and stores matrices.
#pragma once

#include "trainer/base/data_type.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

inline DataType compute_type(Precision precision) {
  switch (precision) {
    case Precision::fp16:
      return DataType::f16;
    case Precision::bf16:
      return DataType::bf16;
    case Precision::fp32:
      return DataType::f32;
    case Precision::fp64:
      return DataType::f64;
  }
  return DataType::f32;
}

}  // namespace vitrail::trainer
