// Carries an exchange plan out for one rank: a bucket's sums over lanes to their owners, and the owners'
// slices of a bucket to all ranks, in the order of exchange_turns.hpp. Runs wherever calls run
// (Communicator::post). Throws: PeerFailure.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/buffer.hpp"
#include "sharding/plan/exchange_steps.hpp"
#include "sharding/plan/exchange_turns.hpp"

namespace vitrail::sharding {

class ReduceExecutor {
 public:
  // `widest_slice`: bytes.
  ReduceExecutor(const ExchangePlan& plan, int rank, std::int64_t widest_slice, std::size_t in_turn,
                 Device& device);

  // sums[place]: a whole bucket, summed over the lanes of the rank's block of that index. When it ends, the
  // sum over all lanes stands in the rank's own slices of sums[0], once Device::sums() has done its work;
  // what the others hold is lost.
  struct Bucket {
    std::vector<std::byte*> sums;
    std::int64_t slice = 0;
    DataType type = DataType::f32;
    std::function<void(Communicator&)> ended;
  };
  void begin(Bucket bucket, Communicator& communicator);
  void finish(Communicator& communicator);
  const Turns<Bucket>& turns() const { return turns_; }

 private:
  struct Node {  // of the tree over lanes, already summed; the address of its first element
    LaneRange block;
    std::byte* sum;
  };
  struct Chain {  // of Turns: where what comes for its buckets stands, and when the last of it has been added
    Buffer received_opening, received_closing;
    std::shared_ptr<const Mark> added;
  };
  struct Half {
    const Bucket& bucket;
    const ReduceRound& round;
    std::byte* received;
  };
  using Call = Turns<Bucket>::Call;
  std::vector<Half> halves(const Call& turn);
  void call(const Call& turn, Communicator& communicator);
  void exchange(const std::vector<Half>& halves, Communicator& communicator) const;
  void add(const LocalAddition& addition, const Half& half);
  void add(std::span<const Node> nodes, DataType type, std::int64_t n, std::byte* to);

  std::vector<ReduceRound> rounds_;
  Device& device_;
  Turns<Bucket> turns_;
  std::vector<Chain> chains_;
};

class GatherExecutor {
 public:
  GatherExecutor(const ExchangePlan& plan, int rank);

  // In place: the rank's own slices of the bucket are there.
  struct Bucket {
    std::byte* data = nullptr;
    std::int64_t slice = 0;
    DataType type = DataType::f32;
  };
  // Of one type, in the same calls.
  void begin(std::vector<Bucket> buckets, Communicator& communicator);
  void finish(Communicator& communicator);
  bool is_pipelined() const { return is_pipelined_; }

 private:
  struct Group {
    std::vector<Bucket> buckets;
    DataType type;
  };
  void gather_at_once(std::span<const Bucket> buckets, Communicator& communicator) const;
  void call(const Turns<Group>::Call& turn, Communicator& communicator) const;

  std::vector<LaneRange> slices_;    // by rank
  std::vector<GatherRound> rounds_;  // none: the communicator's own gather, of all at once
  bool is_pipelined_ = false;
  Turns<Group> turns_;
};

}  // namespace vitrail::sharding
