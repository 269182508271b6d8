// Bytes that are about to be read from a file: a vector whose new elements are left as they are. Clearing a
// record first costs a quarter of reading it from memory.
#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace vitrail::datasets {

template <class T>
struct UninitialisedAllocator : std::allocator<T> {
  template <class U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Values>
  void construct(U* place, Values&&... values) {
    ::new (static_cast<void*>(place)) U(std::forward<Values>(values)...);
  }
};

using Bytes = std::vector<std::byte, UninitialisedAllocator<std::byte>>;

// At once: given a range, such a vector makes its elements one by one.
inline Bytes copied(std::span<const std::byte> from) {
  Bytes bytes(from.size());
  if (!from.empty()) std::memcpy(bytes.data(), from.data(), from.size());
  return bytes;
}

Bytes read_image_file(const std::filesystem::path& path);  // Error(io)

}  // namespace vitrail::datasets
