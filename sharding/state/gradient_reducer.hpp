// Sums the lanes' gradients by the balanced binary tree over lanes and leaves each lane's slice of the sum
// with the rank that holds the lane: the same bits on any number of ranks, unless asked to be fast. Memory
// per rank: max(1, log2(lanes)) full gradients for each aligned block of its lanes (one when N is a power of
// two) and one bucket being exchanged; stage 2: a few buckets and the own slices. Throws: Error(crash) naming
// the parameter whose gradient came twice or never; PeerFailure.
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/buffer.hpp"
#include "sharding/plan/bucket_plan.hpp"

namespace vitrail::sharding {

// Stage 2: backward waits when so many buckets are on their way; the last two are the one being filled and
// the one of vectors, which every layer adds to.
inline constexpr std::size_t kBucketsInFlight = 3;
inline constexpr std::size_t kBucketsOfStage2 = kBucketsInFlight + 2;

struct ReducerOptions {
  DataType type = DataType::f32;         // of the sums that the update reads: f32 or f64
  DataType matrix_type = DataType::f32;  // in which matrices' gradients are kept, sent and rounded to
  std::int64_t stage = 1;  // 0: every rank gets all slices; 2: buckets are freed on the way (one lane a rank)
  bool fast = false;       // the communicator's own reduce_scatter; ranks hold equally many lanes

  DataType type_of(const Bucket& bucket) const { return bucket.matrices ? matrix_type : type; }
};

// In this rank's last lane a bucket's exchange is posted when its last gradient has come, always in the same
// order of buckets.
class GradientReducer {
 public:
  GradientReducer(const BucketPlan& plan, const ReducerOptions& settings, Communicator& communicator,
                  Device& device);
  ~GradientReducer() { communicator_.settle(posted_); }
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  // A step: for each of this rank's lanes in order begin_lane, add for every parameter once, end_lane; then
  // exchange.
  void begin_lane(std::int64_t lane);
  // plan.parameters[parameter].elements of type_of(parameter), in the device's memory
  void add(std::size_t parameter, const std::byte* gradient);
  void end_lane();
  void exchange();

  // Until the next begin_lane, what is added goes nowhere.
  void begin_memory_probe() { lane_ = kMemoryProbe; }

  // After exchange(): the sum over all lanes of the held() lanes' slices of a bucket, lanes in order. The
  // caller may overwrite it until the next begin_lane.
  std::byte* sum(std::size_t bucket);

  LaneRange lanes() const { return lanes_; }  // that this rank computes
  LaneRange held() const;                     // whose slices it updates: the same, or all (stage 0)
  const ReducerOptions& settings() const { return settings_; }
  DataType type() const { return settings_.type; }
  DataType type_of(std::size_t parameter) const { return bucket_type(plan_.locations[parameter].bucket); }

 private:
  static constexpr std::int64_t kMemoryProbe = -1;
  struct Node {  // of the tree over lanes, already summed; the address of its chunk
    LaneRange lanes;
    std::byte* sum;
  };
  struct Block {
    LaneRange lanes;
    std::vector<std::vector<Buffer>> levels;  // [level][bucket]
  };
  DataType bucket_type(std::size_t bucket) const { return settings_.type_of(plan_.buckets[bucket]); }
  void add_to_tree(std::size_t parameter, const std::byte* gradient);
  void post_ready_buckets();
  void post_next_bucket();
  void exchange_bucket(std::size_t bucket, Communicator& communicator);
  std::vector<Node> exchange_chunks(std::size_t bucket, Communicator& communicator);
  std::byte* sum_tree(const std::vector<Node>& nodes, DataType type, std::int64_t n);
  void reduce_fast(std::size_t bucket, Communicator& communicator);
  void deliver(std::size_t bucket, std::vector<Node>& nodes);
  void borrow_bucket(std::size_t bucket);
  void return_first_posted();
  Block& block_of(std::int64_t lane);
  std::byte* own_chunk(Block& block, std::size_t bucket);
  bool frees_buckets() const { return settings_.stage == 2; }

  const BucketPlan& plan_;
  ReducerOptions settings_;
  Communicator& communicator_;
  Device& device_;
  LaneRange lanes_;
  std::vector<std::vector<LaneRange>> blocks_of_rank_;  // every rank's aligned blocks
  std::vector<Block> blocks_;                           // this rank's
  std::vector<Buffer> sums_;                            // by bucket, where they are not a part of a level
  std::int64_t widest_slice_ = 0;                       // bytes of a lane's slice of the widest bucket
  std::vector<Buffer> received_;                        // one bucket's chunks from the other ranks, by round
  std::vector<Buffer> spare_;                           // stage 2: buckets that nobody uses now
  std::int64_t lane_ = 0;
  std::vector<char> arrived_;                 // by parameter, in the current lane
  std::vector<std::size_t> missing_;          // by bucket: gradients of the last lane that have not come
  std::vector<std::size_t> order_;            // of the exchanges: buckets
  std::vector<Communicator::Ticket> posted_;  // the first so many of order_
  std::size_t returned_ = 0;                  // stage 2: the first so many of posted_ are spare again
};

}  // namespace vitrail::sharding
