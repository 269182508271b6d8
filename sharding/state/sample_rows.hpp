// A row of numbers for every training sample: what a run remembers of it. Every rank computes with all rows,
// as with the weights. Those of the samples l, l + L, l + 2L, ... are lane l's, which is how a checkpoint
// shares them out; in memory rows lie lane after lane. Units: rows, and elements of `width` to a row.
#pragma once

#include <cstdint>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/buffer.hpp"
#include "sharding/plan/lanes.hpp"

namespace vitrail::sharding {

struct RowsShape {
  std::int64_t samples = 0, width = 0, lanes = 1;

  bool operator==(const RowsShape&) const = default;
};

Segment share_of(const RowsShape& shape, std::int64_t lane);  // rows

class SampleRows {
 public:
  SampleRows(const RowsShape& shape, DataType type, Device& device);

  const RowsShape& shape() const { return shape_; }
  DataType type() const { return rows_.type(); }
  Device& device() { return *device_; }
  std::byte* data() { return rows_.data(); }  // in the device's memory
  const std::byte* data() const { return rows_.data(); }

  Segment rows_of(std::int64_t lane) const { return share_of(shape_, lane); }
  Segment elements_of(std::int64_t lane) const;
  std::size_t bytes_of(std::int64_t lane) const;
  std::int64_t row_of(std::int64_t sample) const;  // where it lies

  // A lane's rows to the host's memory, where they are when a mark in device().compute() has been waited for;
  // and from there.
  void read(std::int64_t lane, std::byte* to);
  void write(std::int64_t lane, const std::byte* from);
  // Each rank has written those of its lanes; then all have all. Collective.
  void gather(Communicator& communicator);

 private:
  RowsShape shape_;
  Device* device_;
  Buffer rows_;
};

}  // namespace vitrail::sharding
