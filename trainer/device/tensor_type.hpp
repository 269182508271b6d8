// Element types and batches as LibTorch sees them. Includes torch.
#pragma once

#include <ATen/ATen.h>

#include "datasets/pixel_buffer.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::trainer {

inline at::ScalarType tensor_type(DataType type) {
  switch (type) {
    case DataType::f16:
      return at::kHalf;
    case DataType::bf16:
      return at::kBFloat16;
    case DataType::f64:
      return at::kDouble;
    default:
      return at::kFloat;
  }
}

inline DataType data_type(at::ScalarType type) {
  switch (type) {
    case at::kHalf:
      return DataType::f16;
    case at::kBFloat16:
      return DataType::bf16;
    case at::kDouble:
      return DataType::f64;
    default:
      return DataType::f32;
  }
}

// [count, 3, S, S] in `type`. `images` must live until what is computed from the tensor has been read: on a
// CPU it may lie there, on a GPU the copying may not be over before.
inline at::Tensor image_tensor(datasets::PixelBuffer& images, std::int64_t count, std::int64_t size,
                               DataType type, at::Device device) {
  return at::from_blob(images.data(), {count, 3, size, size}, at::kFloat)
      .to(device, tensor_type(type), /*non_blocking=*/true);
}

}  // namespace vitrail::trainer
