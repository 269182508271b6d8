// A flat, zeroed, 64-byte aligned run of elements of one type in host memory. Move-only.
// Throws: std::bad_alloc.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "trainer/base/data_type.hpp"

namespace vitrail::sharding {

class Buffer {
 public:
  Buffer() = default;
  Buffer(DataType type, std::int64_t elements);

  DataType type() const { return type_; }
  std::int64_t elements() const { return elements_; }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::byte* at(std::int64_t element) { return data() + static_cast<std::size_t>(element) * size_of(type_); }

  // The elements as T; T must be the buffer's type (float for f32, double for f64).
  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(data_.get()), static_cast<std::size_t>(elements_)};
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  DataType type_ = DataType::f32;
  std::int64_t elements_ = 0;
  std::unique_ptr<std::byte, Free> data_;
};

// Calls f with a value of the C++ type behind `type`: sums and master weights are float or double.
template <class F>
decltype(auto) with_real(DataType type, F&& f) {
  return type == DataType::f64 ? f(double{}) : f(float{});
}

}  // namespace vitrail::sharding
