// Bytes that are about to be read from a file: a vector whose new elements are left as they are. Clearing a
// record first costs a quarter of reading it from memory.
#pragma once

#include <cstddef>
#include <memory>
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

}  // namespace vitrail::datasets
