// Where a rank's weights, gradient sums and optimizer state lie, and what works on them there: the host
// (host_device.hpp) or a GPU (gpu_device.hpp). Only a device's streams may look at its addresses. Throws:
// std::bad_alloc; Error(crash) with the GPU's own words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "sharding/device/addend.hpp"
#include "sharding/device/update_list.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::sharding {

// A place in a stream: reached when the work given before it is done.
class Mark {
 public:
  virtual ~Mark() = default;
  virtual void wait() const = 0;  // on any thread
};

// Work in the order in which it was given; the caller goes on meanwhile. One thread at a time.
class Stream {
 public:
  virtual ~Stream() = default;

  // Within the device's memory, or between it and the host's. Pinned memory must stay as it is until a mark
  // has been waited for; other memory of the host is read before this returns.
  virtual void copy(const std::byte* from, std::size_t bytes, std::byte* to) = 0;
  // The sums of sum_kernels.hpp, several in one pass: addends join in their order, each followed by its
  // additions. In the end one sum is left: it goes to `to`, which may be an addend of that type.
  virtual void add(DataType type, std::span<const Addend> addends, std::int64_t n, std::byte* to) = 0;
  virtual void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to) = 0;
  // `type`: f32 or f64. `squares`: none, or as many as runs; then this returns when they are there.
  virtual void update(UpdateKernel kernel, DataType type, UpdateList& list, std::span<Squares> squares) = 0;
  virtual std::shared_ptr<const Mark> mark() = 0;
  // What is given from now on begins after the mark of a stream of this device; this returns at once.
  virtual void begin_after(const Mark& mark) = 0;
  void finish() { mark()->wait(); }
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
  // Of the sums of what those calls bring, beside the next call where the device can; else exchange().
  virtual Stream& sums() = 0;
  // Of what the host brings to be computed from, beside all of these; null where it lies well already.
  virtual Stream* copies() { return nullptr; }
  virtual std::size_t most_addends() const = 0;  // of one Stream::add; more than a tree has levels
};

}  // namespace vitrail::sharding
