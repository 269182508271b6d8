// Carries an exchange plan out for one rank: a bucket's sums over lanes to their owners, and the owners'
// slices of a bucket to all ranks. Runs wherever calls run (Communicator::post). Throws: PeerFailure.
#pragma once

#include <span>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/buffer.hpp"
#include "sharding/plan/exchange_steps.hpp"

namespace vitrail::sharding {

class ReduceExecutor {
 public:
  // `widest_slice`: bytes.
  ReduceExecutor(const ExchangePlan& plan, int rank, std::int64_t widest_slice, Device& device);

  // sums[place]: a whole bucket, summed over the lanes of the rank's block of that index. Afterwards the sum
  // over all lanes stands in the rank's own slices of sums[0], once exchange() has done its work; what the
  // others hold is lost.
  void run(std::span<std::byte* const> sums, std::int64_t slice, DataType type, Communicator& communicator);

 private:
  struct Node {  // of the tree over lanes, already summed; the address of its first element
    LaneRange block;
    std::byte* sum;
    bool at_home;  // where the addition's result shall stand
  };
  std::byte* received(std::int64_t at, std::int64_t slice, DataType type);
  void add(const LocalAddition& addition, std::span<std::byte* const> sums, std::int64_t slice,
           DataType type);
  void add_siblings(const std::vector<Node>& nodes, DataType type, std::int64_t n);

  std::vector<ReduceRound> rounds_;
  Device& device_;
  Buffer received_;  // one bucket's, of the round that receives most
};

class GatherExecutor {
 public:
  GatherExecutor(const ExchangePlan& plan, int rank);

  // In place: the rank's own slices of the bucket are there.
  void run(std::byte* bucket, std::int64_t slice, DataType type, Communicator& communicator) const;

 private:
  std::vector<LaneRange> slices_;    // by rank
  std::vector<GatherRound> rounds_;  // none: the communicator's own gather, of all at once
};

}  // namespace vitrail::sharding
