#include "datasets/pixel_buffer.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace vitrail::datasets {

PixelBuffer::PixelBuffer(std::vector<float> values) : size_(values.size()) {
  const auto owner = std::make_shared<std::vector<float>>(std::move(values));
  memory_ = {owner, owner->data()};
}

bool PixelBuffer::operator==(const PixelBuffer& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::shared_ptr<float> ordinary_memory(std::size_t floats) {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t bytes = (floats * sizeof(float) + kCacheLine - 1) / kCacheLine * kCacheLine;
  auto* memory = static_cast<float*>(std::aligned_alloc(kCacheLine, bytes));
  if (memory == nullptr) throw std::bad_alloc();
  return {memory, [](float* p) { std::free(p); }};
}

PixelBuffer PixelPool::take(std::size_t floats) {
  std::shared_ptr<float> memory;
  {
    const std::lock_guard lock(idle_->mutex);
    if (!idle_->buffers.empty()) {
      memory = std::move(idle_->buffers.back());
      idle_->buffers.pop_back();
    }
  }
  if (!memory) memory = memory_(floats_);
  float* const values = memory.get();
  // The batch's end brings it back.
  return {std::shared_ptr<float>(values,
                                 [memory = std::move(memory), idle = idle_](float*) mutable {
                                   const std::lock_guard lock(idle->mutex);
                                   idle->buffers.push_back(std::move(memory));
                                 }),
          floats};
}

}  // namespace vitrail::datasets
