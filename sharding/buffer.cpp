#include "sharding/buffer.hpp"

#include <cstring>
#include <new>

#include <sys/mman.h>

namespace vitrail::sharding {
namespace {

// Whole 2 MiB pages: updates and exchanges walk several long buffers at once and lose a tenth to a third of
// their time to address translation and to prefetching that ends at each page of 4 KiB. Nothing is rounded
// up.
void ask_for_huge_pages(std::byte* bytes, std::size_t size) {
  constexpr std::uintptr_t kPage = std::uintptr_t{2} << 20;
  const auto address = reinterpret_cast<std::uintptr_t>(bytes);
  const auto before = (kPage - address % kPage) % kPage;  // the first whole page
  if (before >= size) return;
  const auto whole = (size - before) / kPage * kPage;
  if (whole > 0) madvise(bytes + before, whole, MADV_HUGEPAGE);  // a wish: may be refused
}

}  // namespace

Buffer::Buffer(DataType type, std::int64_t elements) : type_(type), elements_(elements) {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t bytes = static_cast<std::size_t>(elements) * size_of(type);
  const std::size_t rounded = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  if (rounded == 0) return;
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kCacheLine, rounded)));
  if (!data_) throw std::bad_alloc();
  ask_for_huge_pages(data_.get(), rounded);
  std::memset(data_.get(), 0, rounded);
}

}  // namespace vitrail::sharding
