// Sums the lanes' gradients by the balanced binary tree over lanes and leaves each slice of the sum with the
// rank that owns it: the same bits on any number of ranks and by any exchange plan but the library's. Memory
// per rank: ShardLayout::full_sums and one bucket being exchanged; stage 2: a few buckets and the own slices.
// Throws: Error(crash) naming the parameter whose gradient came twice or never; PeerFailure.
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/buffer.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/plan/reducer_options.hpp"
#include "sharding/state/exchange_executor.hpp"
#include "sharding/state/posted_calls.hpp"

namespace vitrail::sharding {

// In this rank's last lane a bucket's exchange is posted when its last gradient has come, always in the same
// order of buckets.
class GradientReducer {
 public:
  GradientReducer(const BucketPlan& plan, const ExchangePlan& exchange, const ReducerOptions& settings,
                  Communicator& communicator, Device& device);
  // A step: for each of this rank's lanes in order begin_lane, add for every parameter once, end_lane; then
  // exchange.
  void begin_lane(std::int64_t lane);
  // plan.parameters[parameter].elements of type_of(parameter), in the device's memory
  void add(std::size_t parameter, const std::byte* gradient);
  // The same in halves that are added in f32.
  void add(std::size_t parameter, const std::byte* gradient, DataType type);
  void end_lane();
  void exchange();

  // Until the next begin_lane, what is added goes nowhere.
  void begin_memory_probe() { lane_ = kMemoryProbe; }

  // After exchange(): the sum over all lanes of the layout().held slices of a bucket. The caller may
  // overwrite it until the next begin_lane.
  std::byte* sum(std::size_t bucket);
  std::vector<std::byte*> sums();  // by bucket

  const ShardLayout& layout() const { return layout_; }
  const ReducerOptions& settings() const { return settings_; }
  DataType type() const { return settings_.type; }
  DataType type_of(std::size_t parameter) const { return bucket_type(plan_.locations[parameter].bucket); }

 private:
  static constexpr std::int64_t kMemoryProbe = -1;
  DataType bucket_type(std::size_t bucket) const { return settings_.type_of(plan_.buckets[bucket]); }
  void add_to_tree(std::size_t parameter, const std::byte* gradient, DataType given);
  void post_ready_buckets();
  void post_next_bucket();
  void exchange_bucket(std::size_t bucket, Communicator& communicator);
  void hand_over(std::size_t bucket, const std::byte* own, Communicator& communicator);
  const std::byte* reduce_by_library(std::span<std::byte* const> sums, std::size_t bucket,
                                     Communicator& communicator);
  void borrow_bucket(std::size_t bucket);
  void return_first_posted();
  std::byte* own_slices(std::size_t bucket);  // in the first of the full sums
  bool frees_buckets() const { return settings_.stage.frees_gradients; }

  const BucketPlan& plan_;
  ReducerOptions settings_;
  Device& device_;
  ShardLayout layout_;
  std::size_t blocks_;  // of lanes, aligned: the places of this rank's sums
  bool by_library_;
  std::vector<std::vector<Buffer>> full_sums_;  // [place][bucket]; stage 2: while its gradients are here
  std::vector<Buffer> sums_;                    // by bucket, where they are not a part of the first full sum
  std::int64_t widest_slice_ = 0;               // bytes of a slice of the widest bucket
  ReduceExecutor reduce_;
  GatherExecutor gather_;
  Buffer received_;            // by library: one bucket's own slices
  std::vector<Buffer> spare_;  // stage 2: buckets that nobody uses now
  std::int64_t lane_ = 0;
  std::size_t sums_before_ = 0, sums_after_ = 0;  // full sums without and with the lane's gradients
  std::vector<char> arrived_;                     // by parameter, in the current lane
  std::vector<std::size_t> missing_;              // by bucket: gradients of the last lane that have not come
  std::vector<std::size_t> order_;                // of the exchanges: buckets
  std::size_t returned_ = 0;                      // stage 2: the first so many of posted_ are spare again
  PostedCalls posted_;  // the first so many of order_, at last one more; last member: they use the rest
};

}  // namespace vitrail::sharding
