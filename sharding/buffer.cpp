#include "sharding/buffer.hpp"

#include <cstring>
#include <new>

namespace vitrail::sharding {

Buffer::Buffer(DataType type, std::int64_t elements) : type_(type), elements_(elements) {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t bytes = static_cast<std::size_t>(elements) * size_of(type);
  const std::size_t rounded = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  if (rounded == 0) return;
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kCacheLine, rounded)));
  if (!data_) throw std::bad_alloc();
  std::memset(data_.get(), 0, rounded);
}

}  // namespace vitrail::sharding
