// The floats of a batch's images, in memory that goes back to a pool when the batch is gone and comes again
// with a later one: fresh pages for every batch would be zeroed first, and memory that a GPU can read by
// itself is slow to get. Throws: what the source of memory throws; std::bad_alloc.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace vitrail::datasets {

class PixelBuffer {
 public:
  PixelBuffer() = default;
  PixelBuffer(std::vector<float> values);  // NOLINT(google-explicit-constructor): a vector is as good
  PixelBuffer(std::shared_ptr<float> memory, std::size_t size) : memory_(std::move(memory)), size_(size) {}
  PixelBuffer(const PixelBuffer& other)  // the values, into memory of its own
      : PixelBuffer(std::vector<float>(other.begin(), other.end())) {}
  PixelBuffer& operator=(const PixelBuffer& other) { return *this = PixelBuffer(other); }
  PixelBuffer(PixelBuffer&&) = default;
  PixelBuffer& operator=(PixelBuffer&&) = default;
  ~PixelBuffer() = default;

  float* data() { return memory_.get(); }
  const float* data() const { return memory_.get(); }
  std::size_t size() const { return memory_ ? size_ : 0; }  // none once it was moved from
  float* begin() { return data(); }
  float* end() { return data() + size(); }
  const float* begin() const { return data(); }
  const float* end() const { return data() + size(); }

  bool operator==(const PixelBuffer& other) const;  // by value

 private:
  std::shared_ptr<float> memory_;
  std::size_t size_ = 0;
};

// Where a pool's memory comes from.
using PixelMemory = std::function<std::shared_ptr<float>(std::size_t floats)>;
std::shared_ptr<float> ordinary_memory(std::size_t floats);  // not zeroed

// Buffers of one size; any thread. They may outlive the pool.
class PixelPool {
 public:
  PixelPool(PixelMemory memory, std::size_t floats)
      : memory_(std::move(memory)), floats_(floats), idle_(std::make_shared<Idle>()) {}

  PixelBuffer take(std::size_t floats);  // at most the pool's size of them; what is in there is anything

 private:
  struct Idle {
    std::mutex mutex;
    std::vector<std::shared_ptr<float>> buffers;
  };
  PixelMemory memory_;
  std::size_t floats_;
  std::shared_ptr<Idle> idle_;
};

}  // namespace vitrail::datasets
