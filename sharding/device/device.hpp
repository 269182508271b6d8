// Where a rank's weights, gradient sums and optimizer state lie, and what works on them there: the host
// (host_device.hpp) or a GPU (gpu_device.hpp). Only a device's streams may look at its addresses. Throws:
// std::bad_alloc; Error(crash) with the GPU's own words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "sharding/device/update_run.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::sharding {

// Work in the order in which it was given; the caller goes on meanwhile. One thread at a time.
class Stream {
 public:
  virtual ~Stream() = default;

  // Within the device's memory, or between it and the host's. Pinned memory must stay as it is until a mark
  // has been waited for; other memory of the host is read before this returns.
  virtual void copy(const std::byte* from, std::size_t bytes, std::byte* to) = 0;
  // The sums of sum_kernels.hpp.
  virtual void add(DataType type, const std::byte* left, const std::byte* right, std::int64_t n,
                   std::byte* to) = 0;
  virtual void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) = 0;
  // `type`: f32 or f64. `squares`: none, or as many as runs; then this returns when they are there.
  virtual void update(UpdateKernel kernel, DataType type, std::span<const UpdateRun> runs,
                      std::span<Squares> squares) = 0;
  // What it returns waits, on any thread, for the work given until now.
  virtual std::function<void()> mark() = 0;
};

enum class Memory { device, pinned };  // pinned: the host's, as devices copy it best

class Device {
 public:
  virtual ~Device() = default;

  virtual std::byte* allocate(std::size_t bytes, Memory memory) = 0;  // zeroed, aligned to 64 bytes or more
  virtual void release(std::byte* bytes, Memory memory) noexcept = 0;
  // A wish: as long as what this returns lives, these bytes of the host are copied as pinned ones are.
  virtual std::shared_ptr<void> pin(std::span<std::byte>) { return nullptr; }
  // Of the thread that trains: in one order with what the model computes.
  virtual Stream& compute() = 0;
  // Of the calls to other ranks, on whatever thread they run.
  virtual Stream& exchange() = 0;
  // Elements that several sums in a row best take at a time.
  virtual std::int64_t elements_at_once() const = 0;
};

}  // namespace vitrail::sharding
