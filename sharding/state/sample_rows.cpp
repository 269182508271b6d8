#include "sharding/state/sample_rows.hpp"

#include <algorithm>
#include <vector>

namespace vitrail::sharding {

Segment share_of(const RowsShape& shape, std::int64_t lane) {
  const std::int64_t each = shape.samples / shape.lanes, more = shape.samples % shape.lanes;
  return {lane * each + std::min(lane, more), each + (lane < more ? 1 : 0)};
}

SampleRows::SampleRows(const RowsShape& shape, DataType type, Device& device)
    : shape_(shape), device_(&device), rows_(type, shape.samples * shape.width, device) {}

Segment SampleRows::elements_of(std::int64_t lane) const {
  const Segment rows = rows_of(lane);
  return {rows.begin * shape_.width, rows.count * shape_.width};
}

std::size_t SampleRows::bytes_of(std::int64_t lane) const {
  return static_cast<std::size_t>(elements_of(lane).count) * size_of(type());
}

std::int64_t SampleRows::row_of(std::int64_t sample) const {
  return rows_of(sample % shape_.lanes).begin + sample / shape_.lanes;
}

void SampleRows::read(std::int64_t lane, std::byte* to) {
  device_->compute().copy(rows_.at(elements_of(lane).begin), bytes_of(lane), to);
}

void SampleRows::write(std::int64_t lane, const std::byte* from) {
  device_->compute().copy(from, bytes_of(lane), rows_.at(elements_of(lane).begin));
}

void SampleRows::gather(Communicator& communicator) {
  device_->compute().finish();
  std::vector<Segment> segments;
  for (int rank = 0; rank < communicator.size(); ++rank) {
    const LaneRange lanes = lanes_of_rank(shape_.lanes, communicator.size(), rank);
    Segment own{elements_of(lanes.begin).begin, 0};
    for (std::int64_t lane = lanes.begin; lane < lanes.end; ++lane) own.count += elements_of(lane).count;
    segments.push_back(own);
  }
  communicator.all_gather(rows_.data(), segments, type());
  device_->exchange().finish();
}

}  // namespace vitrail::sharding
