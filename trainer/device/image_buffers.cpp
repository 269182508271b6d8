#include "trainer/device/image_buffers.hpp"

namespace vitrail::trainer {

std::vector<float*> ImageBuffers::take(std::span<const datasets::PixelBuffer> views) {
  Turn& turn = turns_.at(next_);
  next_ = 1 - next_;
  turns_.at(next_).used = device_->compute().mark();
  sharding::Stream& stream = *device_->copies();
  if (turn.used) stream.begin_after(*turn.used);
  turn.views.resize(views.size());
  std::vector<float*> places;
  for (std::size_t v = 0; v < views.size(); ++v) {
    sharding::Buffer& buffer = turn.views[v];
    const auto elements = static_cast<std::int64_t>(views[v].size());
    if (buffer.elements() < elements) buffer = sharding::Buffer(DataType::f32, elements, *device_);
    stream.copy(reinterpret_cast<const std::byte*>(views[v].data()), views[v].size() * sizeof(float),
                buffer.data());
    places.push_back(reinterpret_cast<float*>(buffer.data()));
  }
  device_->compute().begin_after(*stream.mark());
  return places;
}

std::int64_t ImageBuffers::bytes() const {
  std::int64_t sum = 0;
  for (const Turn& turn : turns_)
    for (const sharding::Buffer& view : turn.views)
      sum += view.elements() * static_cast<std::int64_t>(size_of(view.type()));
  return sum;
}

}  // namespace vitrail::trainer
