// Sums the lanes' gradients by the balanced binary tree over lanes and leaves each lane's slice of the sum
// with the rank that holds the lane: the same bits on any number of ranks. Memory per rank: max(1,
// log2(lanes)) full gradients for each aligned block of its lanes (one block when the number of ranks is a
// power of two), and one bucket while it is exchanged. Throws: Error(crash) naming the parameter whose
// gradient came twice or never; PeerFailure.
#pragma once

#include <cstdint>
#include <vector>

#include "sharding/bucket_plan.hpp"
#include "sharding/buffer.hpp"
#include "sharding/communicator.hpp"

namespace vitrail::sharding {

// In this rank's last lane a bucket's exchange is posted when its last gradient has come, always in the same
// order of buckets.
class GradientReducer {
 public:
  GradientReducer(const BucketPlan& plan, DataType sum_type, Communicator& communicator);
  ~GradientReducer() { communicator_.settle(posted_); }
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  // A step: for each of this rank's lanes in order begin_lane, add for every parameter once, end_lane; then
  // exchange.
  void begin_lane(std::int64_t lane);
  void add(std::size_t parameter,
           const std::byte* gradient);  // plan.parameters[parameter].elements of sum_type
  void end_lane();
  void exchange();

  // After exchange(): the sum over all lanes of this rank's lane slices of a bucket, lanes in order. The
  // caller may overwrite it until the next begin_lane.
  std::byte* sum(std::size_t bucket);

  LaneRange lanes() const { return lanes_; }
  DataType type() const { return type_; }

 private:
  struct Block {
    LaneRange lanes;
    std::vector<std::vector<Buffer>> levels;  // [level][bucket]
  };
  template <class Real>
  void add_to_tree(std::size_t parameter, const Real* gradient);
  void post_ready_buckets();
  void post_next_bucket();
  template <class Real>
  void exchange_bucket(std::size_t bucket, Communicator& communicator);
  Block& block_of(std::int64_t lane);
  std::byte* own_chunk(Block& block, std::size_t bucket);

  const BucketPlan& plan_;
  DataType type_;
  Communicator& communicator_;
  LaneRange lanes_;
  std::vector<std::vector<LaneRange>> blocks_of_rank_;  // every rank's aligned blocks
  std::vector<Block> blocks_;                           // this rank's
  Buffer received_;                                     // one bucket's chunks from the other ranks
  std::int64_t lane_ = 0;
  std::vector<char> arrived_;                 // by parameter, in the current lane
  std::vector<std::size_t> missing_;          // by bucket: gradients of the last lane that have not come
  std::vector<std::size_t> order_;            // of the exchanges: buckets
  std::vector<Communicator::Ticket> posted_;  // the first so many of order_
};

}  // namespace vitrail::sharding
