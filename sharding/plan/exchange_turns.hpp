// In which order the rounds of a step's buckets follow one another, and which of them share a call: the
// executors carry it out, `plan` prices it. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sharding/plan/exchange_plan.hpp"

namespace vitrail::sharding {

// Rounds of a bucket: those in the calls that begin it, and those beside the next one's.
struct RoundHalves {
  std::size_t opening = 0, closing = 0;
  bool backwards = false;  // the last rounds of both are together, which are the largest then; else the first
};
RoundHalves reduce_halves(const ExchangePlan& plan);
RoundHalves gather_halves(const ExchangePlan& plan);

// Which of the plan's rounds one call is for the bucket that opens and for the one that closes; of one at
// least.
struct CallRounds {
  std::optional<std::size_t> opening, closing;
};
std::vector<CallRounds> rounds_of_calls(const RoundHalves& halves, bool opens, bool closes);

// Buckets of one type share calls. `in_turn` of them go through their rounds at once, one call each by turns:
// begin() keeps a bucket until there are as many, finish() ends all. Of a Bucket its `type` is read.
template <class Bucket>
class Turns {
 public:
  struct Call {
    std::size_t chain = 0;  // buckets of which each opens while the one before it closes
    CallRounds rounds;
    const Bucket* opening = nullptr;  // if it has a round in this call, as has closing
    const Bucket* closing = nullptr;
  };

  explicit Turns(const RoundHalves& halves, std::size_t in_turn = 1) : halves_(halves), chains_(in_turn) {}

  // Call the one for each Call, the other for each bucket after its last.
  template <class Calls, class Ended>
  void begin(Bucket bucket, const Calls& call, const Ended& ended) {
    Chain& chain = chains_[begun_];
    if (chain.closing && chain.closing->type != bucket.type) run({&chain, 1}, call, ended);
    chain.opening = std::move(bucket);
    if (++begun_ < chains_.size()) return;
    run(chains_, call, ended);
    begun_ = 0;
  }
  template <class Calls, class Ended>
  void finish(const Calls& call, const Ended& ended) {
    const auto is_busy = [](const Chain& chain) { return chain.opening || chain.closing; };
    while (std::ranges::any_of(chains_, is_busy)) run(chains_, call, ended);
    begun_ = 0;
  }
  // Of `buckets` that are begun one after another: which begin() ends the one of this index, at the latest;
  // `buckets`: finish() does.
  std::size_t ended_by(std::size_t bucket, std::size_t buckets) const {
    const std::size_t runs = bucket / chains_.size() + (halves_.closing == 0 ? 1 : 2);
    return std::min(runs * chains_.size() - 1, buckets);
  }

 private:
  struct Chain {
    std::optional<Bucket> opening, closing;
  };

  // The opening rounds of what has been begun, beside the closing ones of what was begun before.
  template <class Calls, class Ended>
  void run(std::span<Chain> chains, const Calls& call, const Ended& ended) {
    std::vector<std::vector<CallRounds>> calls;
    std::size_t most = 0;
    for (const Chain& chain : chains) {
      calls.push_back(rounds_of_calls(halves_, chain.opening.has_value(), chain.closing.has_value()));
      most = std::max(most, calls.back().size());
    }
    for (std::size_t i = 0; i < most; ++i) {
      for (std::size_t c = 0; c < chains.size(); ++c) {
        if (i >= calls[c].size()) continue;
        const CallRounds& rounds = calls[c][i];
        call(Call{static_cast<std::size_t>(&chains[c] - chains_.data()), rounds,
                  rounds.opening ? &*chains[c].opening : nullptr,
                  rounds.closing ? &*chains[c].closing : nullptr});
      }
    }
    for (Chain& chain : chains) move_on(chain, ended);
  }
  // What has been opened closes next, or has ended, too.
  template <class Ended>
  void move_on(Chain& chain, const Ended& ended) {
    if (chain.closing) ended(*chain.closing);
    chain.closing = std::exchange(chain.opening, std::nullopt);
    if (!chain.closing || halves_.closing > 0) return;
    ended(*chain.closing);
    chain.closing.reset();
  }

  RoundHalves halves_;
  std::vector<Chain> chains_;
  std::size_t begun_ = 0;  // chains whose next bucket is here
};

}  // namespace vitrail::sharding
