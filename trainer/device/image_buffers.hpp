// Images of lanes on their way to a device: two buffers for each view, filled in turns by a stream of their
// own while the lane before is computed. Throws: std::bad_alloc.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "datasets/pixel_buffer.hpp"
#include "sharding/device/buffer.hpp"

namespace vitrail::trainer {

class ImageBuffers {
 public:
  // Where images are computed from where they lie, nothing is copied.
  explicit ImageBuffers(sharding::Device& device) : device_(&device) {}

  bool copies() const { return device_->copies() != nullptr; }
  // Where `views` lie, as floats, for what compute() is given before the next call. All work of the lane
  // before has been given; views must stay as they are until a mark of compute() has been waited for.
  std::vector<float*> take(std::span<const datasets::PixelBuffer> views);
  std::int64_t bytes() const;

 private:
  struct Turn {
    std::vector<sharding::Buffer> views;
    std::shared_ptr<const sharding::Mark> used;  // compute() has no more need of it
  };

  sharding::Device* device_;
  std::array<Turn, 2> turns_;
  std::size_t next_ = 0;
};

}  // namespace vitrail::trainer
