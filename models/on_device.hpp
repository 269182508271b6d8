// Numbers of the host as a tensor on a device. For a GPU they go through memory that it copies by itself, so
// that nobody waits.
#pragma once

#include <algorithm>
#include <ranges>

#include <ATen/ATen.h>

namespace vitrail::models {

template <std::ranges::sized_range Numbers>
at::Tensor on_device(const Numbers& numbers, at::Device device) {
  using Number = std::ranges::range_value_t<Numbers>;
  const auto options = at::TensorOptions().dtype(c10::CppTypeToScalarType<Number>::value);
  const at::Tensor host = at::empty({static_cast<std::int64_t>(std::ranges::size(numbers))},
                                    options.pinned_memory(device.is_cuda()));
  std::ranges::copy(numbers, host.template mutable_data_ptr<Number>());
  return host.to(device, /*non_blocking=*/true);
}

}  // namespace vitrail::models
