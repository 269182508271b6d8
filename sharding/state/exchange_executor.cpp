#include "sharding/state/exchange_executor.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vitrail::sharding {
namespace {

std::int64_t most_received(const std::vector<ReduceRound>& rounds) {
  std::int64_t most = 0;
  for (const ReduceRound& round : rounds) most = std::max(most, round.received());
  return most;
}

std::byte* at_slice(std::byte* data, std::int64_t slice_index, std::int64_t slice, DataType type) {
  return data + static_cast<std::size_t>(slice_index * slice) * size_of(type);
}

// The rounds from `first` on, taken from the others.
template <class Round>
std::vector<Round> take_from(std::vector<Round>& rounds, int first) {
  const auto begin = rounds.begin() + std::min<std::ptrdiff_t>(first, std::ssize(rounds));
  std::vector<Round> taken(std::make_move_iterator(begin), std::make_move_iterator(rounds.end()));
  rounds.erase(begin, rounds.end());
  return taken;
}

}  // namespace

ReduceExecutor::ReduceExecutor(const ExchangePlan& plan, int rank, std::int64_t widest_slice,
                               std::size_t in_turn, Device& device)
    : opening_(reduce_rounds(plan, rank)),
      closing_(take_from(opening_, plan.opening_rounds())),
      device_(device) {
  for (std::size_t c = 0; c < in_turn; ++c) {
    chains_.push_back({.received_opening{DataType::u8, most_received(opening_) * widest_slice, device},
                       .received_closing{DataType::u8, most_received(closing_) * widest_slice, device},
                       .added = device.sums().mark()});
  }
}

void ReduceExecutor::begin(Bucket bucket, Communicator& communicator) {
  Chain& chain = chains_[begun_];
  // A call is of one type.
  if (chain.closing && chain.closing->type != bucket.type) run({&chain, 1}, communicator);
  chain.opening = std::move(bucket);
  if (++begun_ < chains_.size()) return;
  run(chains_, communicator);
  begun_ = 0;
}

void ReduceExecutor::finish(Communicator& communicator) {
  const auto is_busy = [](const Chain& chain) { return chain.opening || chain.closing; };
  while (std::ranges::any_of(chains_, is_busy)) run(chains_, communicator);
  begun_ = 0;
}

std::size_t ReduceExecutor::ended_by(std::size_t bucket, std::size_t buckets) const {
  const std::size_t runs = bucket / chains_.size() + (closing_.empty() ? 1 : 2);
  return std::min(runs * chains_.size() - 1, buckets);
}

// One run of the opening rounds of what has been begun, beside the closing ones of what was begun before.
// While the call for one chain is under way, what came for the other is added.
void ReduceExecutor::run(std::span<Chain> chains, Communicator& communicator) {
  for (std::size_t r = 0; r < std::max(opening_.size(), closing_.size()); ++r) {
    for (Chain& chain : chains) {
      const std::vector<Half> both = halves(chain, r);
      if (both.empty()) continue;
      device_.exchange().begin_after(*chain.added);
      call(both, communicator);
      device_.sums().begin_after(*device_.exchange().mark());
      for (const Half& half : both) {
        for (const LocalAddition& addition : half.round.additions) add(addition, half);
      }
      chain.added = device_.sums().mark();
    }
  }
  for (Chain& chain : chains) end_closing(chain, communicator);
}

std::vector<ReduceExecutor::Half> ReduceExecutor::halves(Chain& chain, std::size_t round) const {
  std::vector<Half> both;
  if (chain.opening && round < opening_.size())
    both.push_back({*chain.opening, opening_[round], chain.received_opening.data()});
  if (chain.closing && round < closing_.size())
    both.push_back({*chain.closing, closing_[round], chain.received_closing.data()});
  return both;
}

void ReduceExecutor::call(const std::vector<Half>& halves, Communicator& communicator) const {
  const DataType type = halves.front().bucket.type;
  std::vector<Outgoing> send;
  std::vector<Incoming> receive;
  for (const auto& [bucket, round, received] : halves) {
    const std::int64_t slice = bucket.slice;
    for (const Message& m : round.send) {
      std::byte* sum = bucket.sums[static_cast<std::size_t>(m.place)];
      send.push_back({m.peer, at_slice(sum, m.slices.begin, slice, type), m.slices.count() * slice});
    }
    for (const Message& m : round.receive) {
      receive.push_back({m.peer, at_slice(received, m.received_at, slice, type), m.slices.count() * slice});
    }
  }
  communicator.exchange(send, receive, type);
}

// What has been opened closes next, or has ended, too.
void ReduceExecutor::end_closing(Chain& chain, Communicator& communicator) {
  if (chain.closing) chain.closing->ended(communicator);
  chain.closing = std::exchange(chain.opening, std::nullopt);
  if (!chain.closing || !closing_.empty()) return;
  chain.closing->ended(communicator);
  chain.closing.reset();
}

void ReduceExecutor::add(const LocalAddition& addition, const Half& half) {
  const std::int64_t slice = half.bucket.slice;
  const DataType type = half.bucket.type;
  const auto at = [&](int place) {
    std::byte* sum = half.bucket.sums[static_cast<std::size_t>(place)];
    return at_slice(sum, addition.slices.begin, slice, type);
  };
  std::vector<Node> nodes;
  for (const Term& term : addition.terms) {
    nodes.push_back({term.block, term.received ? at_slice(half.received, term.received_at, slice, type)
                                               : at(term.place)});
  }
  add(nodes, type, addition.slices.count() * slice, at(addition.place));
}

// The sum over `nodes`, which are in lane order and cover a block. More than the device takes at once: first
// the halves of the block, each to where one of its own parts was.
void ReduceExecutor::add(std::span<const Node> nodes, DataType type, std::int64_t n, std::byte* to) {
  if (nodes.size() > device_.most_addends()) {
    const std::int64_t middle = (nodes.front().block.begin + nodes.back().block.end) / 2;
    const auto right = static_cast<std::size_t>(
        std::ranges::find_if(nodes, [&](const Node& node) { return node.block.begin >= middle; }) -
        nodes.begin());
    const Node halves[] = {{{nodes.front().block.begin, middle}, nodes.front().sum},
                           {{middle, nodes.back().block.end}, nodes.back().sum}};
    add(nodes.first(right), type, n, halves[0].sum);
    add(nodes.subspan(right), type, n, halves[1].sum);
    return add(halves, type, n, to);
  }
  std::vector<LaneRange> open;
  std::vector<Addend> addends;
  for (const Node& node : nodes) {
    addends.push_back({node.sum, type});
    open.push_back(node.block);
    for (; open.size() > 1 && are_siblings(open[open.size() - 2], open.back()); ++addends.back().additions) {
      const std::int64_t end = open.back().end;
      open.pop_back();
      open.back().end = end;
    }
  }
  if (addends.size() > 1) device_.sums().add(type, addends, n, to);
}

GatherExecutor::GatherExecutor(const ExchangePlan& plan, int rank) : slices_(plan.slices) {
  if (slice_order(plan.route) == SliceOrder::by_rank) return;
  opening_ = gather_rounds(plan, rank);
  closing_ = take_from(opening_, plan.opening_rounds_back());
}

void GatherExecutor::begin(std::vector<Bucket> buckets, Communicator& communicator) {
  if (opening_.empty()) return gather_at_once(buckets, communicator);
  if (!open_.empty() && open_.front().type != buckets.front().type)
    finish(communicator);  // a call is of one type
  run(buckets, open_, communicator);
  open_.clear();
  if (is_pipelined()) open_ = std::move(buckets);
}

void GatherExecutor::finish(Communicator& communicator) {
  if (!open_.empty()) run({}, open_, communicator);
  open_.clear();
}

void GatherExecutor::gather_at_once(std::span<const Bucket> buckets, Communicator& communicator) const {
  for (const Bucket& bucket : buckets) {
    std::vector<Segment> segments;
    for (const LaneRange& of_rank : slices_) {
      segments.push_back({of_rank.begin * bucket.slice, of_rank.count() * bucket.slice});
    }
    communicator.all_gather(bucket.data, segments, bucket.type);
  }
}

void GatherExecutor::run(std::span<const Bucket> opening, std::span<const Bucket> closing,
                         Communicator& communicator) const {
  const DataType type = (opening.empty() ? closing : opening).front().type;
  const std::size_t begin = opening.empty() ? 0 : opening_.size();
  const std::size_t end = closing.empty() ? 0 : closing_.size();
  // The last rounds carry most: both halves come to theirs at the same time.
  for (std::size_t left = std::max(begin, end); left > 0; --left) {
    std::vector<Outgoing> send;
    std::vector<Incoming> receive;
    const auto collect = [&](const Bucket& bucket, const GatherRound& round) {
      const auto at = [&](const Part& p) {
        return at_slice(bucket.data, p.slices.begin, bucket.slice, type);
      };
      for (const Part& p : round.send) send.push_back({p.peer, at(p), p.slices.count() * bucket.slice});
      for (const Part& p : round.receive) receive.push_back({p.peer, at(p), p.slices.count() * bucket.slice});
    };
    for (const Bucket& bucket : opening) {
      if (left <= begin) collect(bucket, opening_[begin - left]);
    }
    for (const Bucket& bucket : closing) {
      if (left <= end) collect(bucket, closing_[end - left]);
    }
    communicator.exchange(send, receive, type);
  }
}

}  // namespace vitrail::sharding
