// Element types and batches as LibTorch sees them. Includes torch.
#pragma once

#include <vector>

#include <torch/torch.h>

#include "trainer/base/data_type.hpp"
#include "trainer/config.hpp"

namespace vitrail::trainer {

inline DataType compute_type(Precision precision) {
  return precision == Precision::fp64 ? DataType::f64 : DataType::f32;
}

inline at::ScalarType tensor_type(DataType type) { return type == DataType::f64 ? at::kDouble : at::kFloat; }

// [count, 3, S, S] in `type`. Does not own float batches: `images` must outlive the tensor.
inline at::Tensor image_tensor(std::vector<float>& images, std::int64_t count, std::int64_t size,
                               DataType type) {
  return at::from_blob(images.data(), {count, 3, size, size}, at::kFloat).to(tensor_type(type));
}

}  // namespace vitrail::trainer
