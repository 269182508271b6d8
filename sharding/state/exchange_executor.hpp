// Carries an exchange plan out for one rank: a bucket's sums over lanes to their owners, and the owners'
// slices of a bucket to all ranks. Where the plan is pipelined, a bucket's last rounds are beside the first
// ones of the next: begin() ends the bucket before, too, and finish() ends the last one. Runs wherever calls
// run (Communicator::post). Throws: PeerFailure.
#pragma once

#include <functional>
#include <optional>
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

  // sums[place]: a whole bucket, summed over the lanes of the rank's block of that index. When it ends, the
  // sum over all lanes stands in the rank's own slices of sums[0], once exchange() has done its work; what
  // the others hold is lost.
  struct Bucket {
    std::vector<std::byte*> sums;
    std::int64_t slice = 0;
    DataType type = DataType::f32;
    std::function<void(Communicator&)> ended;
  };
  void begin(Bucket bucket, Communicator& communicator);
  void finish(Communicator& communicator);
  bool is_pipelined() const { return !closing_.empty(); }

 private:
  struct Node {  // of the tree over lanes, already summed; the address of its first element
    LaneRange block;
    std::byte* sum;
  };
  // A bucket that opens or closes, if any, its rounds, and where what comes in them stands.
  struct Half {
    const Bucket* bucket;
    const std::vector<ReduceRound>& rounds;
    std::byte* received;
    bool has(std::size_t round) const { return bucket != nullptr && round < rounds.size(); }
  };
  void run(const Bucket* opening, const Bucket* closing, Communicator& communicator);
  void add(const LocalAddition& addition, const Half& half);
  void add(std::span<const Node> nodes, DataType type, std::int64_t n, std::byte* to);

  std::vector<ReduceRound> opening_, closing_;
  Device& device_;
  Buffer received_opening_, received_closing_;  // of the round that receives most
  std::optional<Bucket> open_;                  // its closing rounds are still to come
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
  void begin(const Bucket& bucket, Communicator& communicator);
  void finish(Communicator& communicator);
  bool is_pipelined() const { return !closing_.empty(); }

 private:
  void run(const Bucket* opening, const Bucket* closing, Communicator& communicator) const;

  std::vector<LaneRange> slices_;               // by rank
  std::vector<GatherRound> opening_, closing_;  // none: the communicator's own gather, of all at once
  std::optional<Bucket> open_;
};

}  // namespace vitrail::sharding
