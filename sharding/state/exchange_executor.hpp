// Carries an exchange plan out for one rank: a bucket's sums over lanes to their owners, and the owners'
// slices of a bucket to all ranks. Where the plan is pipelined, a bucket's last rounds are beside the first
// ones of the next. Runs wherever calls run (Communicator::post). Throws: PeerFailure.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/buffer.hpp"
#include "sharding/plan/exchange_steps.hpp"

namespace vitrail::sharding {

// Buckets go through their rounds `in_turn` at once, one call each in turn: begin() keeps a bucket until
// there are as many, and finish() ends all.
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
  // Of `buckets` that are begun one after another: which begin() ends the one of this index, at the latest;
  // `buckets`: finish() does.
  std::size_t ended_by(std::size_t bucket, std::size_t buckets) const;

 private:
  struct Node {  // of the tree over lanes, already summed; the address of its first element
    LaneRange block;
    std::byte* sum;
  };
  // Buckets of which one opens while the one before closes, where what comes for them stands, and when the
  // last of it has been added.
  struct Chain {
    std::optional<Bucket> opening = {}, closing = {};
    Buffer received_opening, received_closing;
    std::shared_ptr<const Mark> added;
  };
  struct Half {
    const Bucket& bucket;
    const ReduceRound& round;
    std::byte* received;
  };
  std::vector<Half> halves(Chain& chain, std::size_t round) const;
  void run(std::span<Chain> chains, Communicator& communicator);
  void call(const std::vector<Half>& halves, Communicator& communicator) const;
  void end_closing(Chain& chain, Communicator& communicator);
  void add(const LocalAddition& addition, const Half& half);
  void add(std::span<const Node> nodes, DataType type, std::int64_t n, std::byte* to);

  std::vector<ReduceRound> opening_, closing_;
  Device& device_;
  std::vector<Chain> chains_;
  std::size_t begun_ = 0;  // chains whose next bucket is here
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
  bool is_pipelined() const { return !closing_.empty(); }

 private:
  void gather_at_once(std::span<const Bucket> buckets, Communicator& communicator) const;
  void run(std::span<const Bucket> opening, std::span<const Bucket> closing,
           Communicator& communicator) const;

  std::vector<LaneRange> slices_;               // by rank
  std::vector<GatherRound> opening_, closing_;  // none: the communicator's own gather, of all at once
  std::vector<Bucket> open_;                    // their closing rounds are still to come
};

}  // namespace vitrail::sharding
