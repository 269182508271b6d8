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

ReduceExecutor::ReduceExecutor(const ExchangePlan& plan, int rank, std::int64_t widest_slice, Device& device)
    : opening_(reduce_rounds(plan, rank)),
      closing_(take_from(opening_, plan.opening_rounds())),
      device_(device),
      received_opening_(DataType::u8, most_received(opening_) * widest_slice, device),
      received_closing_(DataType::u8, most_received(closing_) * widest_slice, device) {}

void ReduceExecutor::begin(Bucket bucket, Communicator& communicator) {
  if (open_ && open_->type != bucket.type) finish(communicator);  // a call is of one type
  run(&bucket, open_ ? &*open_ : nullptr, communicator);
  if (open_) open_->ended(communicator);
  open_.reset();
  if (!is_pipelined()) return bucket.ended(communicator);
  open_ = std::move(bucket);
}

void ReduceExecutor::finish(Communicator& communicator) {
  if (!open_) return;
  run(nullptr, &*open_, communicator);
  open_->ended(communicator);
  open_.reset();
}

void ReduceExecutor::run(const Bucket* opening, const Bucket* closing, Communicator& communicator) {
  const Half halves[] = {{opening, opening_, received_opening_.data()},
                         {closing, closing_, received_closing_.data()}};
  const DataType type = (opening != nullptr ? opening : closing)->type;
  for (std::size_t r = 0; halves[0].has(r) || halves[1].has(r); ++r) {
    std::vector<Outgoing> send;
    std::vector<Incoming> receive;
    for (const Half& half : halves) {
      if (!half.has(r)) continue;
      const std::int64_t slice = half.bucket->slice;
      for (const Message& m : half.rounds[r].send) {
        std::byte* sum = half.bucket->sums[static_cast<std::size_t>(m.place)];
        send.push_back({m.peer, at_slice(sum, m.slices.begin, slice, type), m.slices.count() * slice});
      }
      for (const Message& m : half.rounds[r].receive) {
        receive.push_back(
            {m.peer, at_slice(half.received, m.received_at, slice, type), m.slices.count() * slice});
      }
    }
    communicator.exchange(send, receive, type);
    for (const Half& half : halves) {
      if (!half.has(r)) continue;
      for (const LocalAddition& addition : half.rounds[r].additions) add(addition, half);
    }
  }
}

void ReduceExecutor::add(const LocalAddition& addition, const Half& half) {
  const std::int64_t slice = half.bucket->slice;
  const DataType type = half.bucket->type;
  const auto at = [&](int place) {
    std::byte* sum = half.bucket->sums[static_cast<std::size_t>(place)];
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
  if (addends.size() > 1) device_.exchange().add(type, addends, n, to);
}

GatherExecutor::GatherExecutor(const ExchangePlan& plan, int rank) : slices_(plan.slices) {
  if (slice_order(plan.route) == SliceOrder::by_rank) return;
  opening_ = gather_rounds(plan, rank);
  closing_ = take_from(opening_, plan.opening_rounds_back());
}

void GatherExecutor::begin(const Bucket& bucket, Communicator& communicator) {
  if (opening_.empty()) {
    std::vector<Segment> segments;
    for (const LaneRange& of_rank : slices_) {
      segments.push_back({of_rank.begin * bucket.slice, of_rank.count() * bucket.slice});
    }
    return communicator.all_gather(bucket.data, segments, bucket.type);
  }
  if (open_ && open_->type != bucket.type) finish(communicator);  // a call is of one type
  run(&bucket, open_ ? &*open_ : nullptr, communicator);
  open_.reset();
  if (is_pipelined()) open_ = bucket;
}

void GatherExecutor::finish(Communicator& communicator) {
  if (open_) run(nullptr, &*open_, communicator);
  open_.reset();
}

void GatherExecutor::run(const Bucket* opening, const Bucket* closing, Communicator& communicator) const {
  const DataType type = (opening != nullptr ? opening : closing)->type;
  const std::size_t begin = opening != nullptr ? opening_.size() : 0;
  const std::size_t end = closing != nullptr ? closing_.size() : 0;
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
    if (left <= begin) collect(*opening, opening_[begin - left]);
    if (left <= end) collect(*closing, closing_[end - left]);
    communicator.exchange(send, receive, type);
  }
}

}  // namespace vitrail::sharding
