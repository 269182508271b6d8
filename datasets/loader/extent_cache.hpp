// Window mode's reading: a lane's extents, each read at once and kept until its window is done. While a lane
// shows a window, the next one is read bit by bit, an extent whenever the lane has shown as many images. So a
// lane holds the window it is at and what is there of the next, at most two windows' records (where a step is
// longer than a window: those that two steps touch). Throws what Dataset::read() throws.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "datasets/dataset.hpp"
#include "datasets/loader/lane_order.hpp"

namespace vitrail::datasets {

class ExtentCache {
 public:
  ExtentCache(const Dataset& dataset, const OrderPlan& plan) : dataset_(dataset), plan_(plan) {}

  // The sample at `item` of the stream of `lane`. Safe from any thread.
  Sample read(std::uint64_t epoch, std::uint64_t lane, std::uint64_t item);
  // Call after read(); what it cannot read is left for read() to report.
  void read_ahead(std::uint64_t epoch, std::uint64_t lane, std::uint64_t item);
  // Drops the windows of the stream that lie before the one of `item`.
  void forget_before(std::uint64_t epoch, std::uint64_t lane, std::uint64_t item);

 private:
  struct Part {
    std::uint64_t first, end;
    std::unique_ptr<const Extent> extent;  // null: samples are read one by one
  };
  struct Entry {
    std::mutex mutex;  // held while it is read
    std::vector<Part> parts;
  };
  using Key =
      std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;  // lane, epoch, window, run

  std::shared_ptr<Entry> entry(const Key& key);
  void load(Entry& entry, const SampleRun& run) const;  // where it is not there yet

  const Dataset& dataset_;
  const OrderPlan plan_;
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<Entry>> entries_;
};

}  // namespace vitrail::datasets
