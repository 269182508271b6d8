// A flat, zeroed run of elements of one type in a device's memory, aligned to 64 bytes or more. Move-only;
// the device must live longer. Throws: std::bad_alloc.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "sharding/device/device.hpp"

namespace vitrail::sharding {

class Buffer {
 public:
  Buffer() : data_(nullptr, Release{nullptr, Memory::device}) {}
  Buffer(DataType type, std::int64_t elements, Device& device, Memory memory = Memory::device)
      : type_(type), elements_(elements), data_(nullptr, Release{&device, memory}) {
    if (elements > 0)
      data_.reset(device.allocate(static_cast<std::size_t>(elements) * size_of(type), memory));
  }

  DataType type() const { return type_; }
  std::int64_t elements() const { return elements_; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::byte* at(std::int64_t element) { return data() + static_cast<std::size_t>(element) * size_of(type_); }

  // The elements as T; T must be the buffer's type (float for f32, double for f64), its memory the host's.
  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data_.get()), static_cast<std::size_t>(elements_)};
  }

 private:
  struct Release {
    Device* device;
    Memory memory;
    void operator()(std::byte* bytes) const { device->release(bytes, memory); }
  };
  DataType type_ = DataType::f32;
  std::int64_t elements_ = 0;
  std::unique_ptr<std::byte, Release> data_;
};

// Calls f with a value of the C++ type behind `type`: sums and master weights are float or double.
template <class F>
decltype(auto) with_real(DataType type, F&& f) {
  return type == DataType::f64 ? f(double{}) : f(float{});
}

}  // namespace vitrail::sharding
