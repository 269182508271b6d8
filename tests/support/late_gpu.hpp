// A GPU that is the host (gpu_on_host) for LateCommunicator: calls are work of its exchange stream.
#pragma once

#include <functional>
#include <utility>

#include "sharding/device/cuda_handles.hpp"
#include "sharding/device/device.hpp"
#include "tests/support/gpu_on_host/gpu_on_host.hpp"

namespace vitrail::tests {

class LateGpu {
 public:
  LateGpu(int number, sharding::Device& device) : number_(number), device_(device) {}

  sharding::Stream& exchange() { return device_.exchange(); }
  void in_order_of_exchange(std::function<void()> work) {
    sharding::use_gpu(number_);
    gpu_on_host::put_on_stream(sharding::exchange_stream(device_), std::move(work));
  }
  std::byte* real(const std::byte* address) { return const_cast<std::byte*>(address); }

 private:
  int number_;
  sharding::Device& device_;
};

}  // namespace vitrail::tests
