#include "sharding/state/exchange_executor.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vitrail::sharding {
namespace {

std::int64_t most_received(std::span<const ReduceRound> rounds) {
  std::int64_t most = 0;
  for (const ReduceRound& round : rounds) most = std::max(most, round.received());
  return most;
}

std::byte* at_slice(std::byte* data, std::int64_t slice_index, std::int64_t slice, DataType type) {
  return data + static_cast<std::size_t>(slice_index * slice) * size_of(type);
}

}  // namespace

ReduceExecutor::ReduceExecutor(const ExchangePlan& plan, int rank, std::int64_t widest_slice,
                               std::size_t in_turn, Device& device)
    : rounds_(reduce_rounds(plan, rank)), device_(device), turns_(reduce_halves(plan), in_turn) {
  const std::span<const ReduceRound> all = rounds_;
  const std::size_t opening = reduce_halves(plan).opening;
  for (std::size_t c = 0; c < in_turn; ++c) {
    chains_.push_back({{DataType::u8, most_received(all.first(opening)) * widest_slice, device},
                       {DataType::u8, most_received(all.subspan(opening)) * widest_slice, device},
                       device.sums().mark()});
  }
}

void ReduceExecutor::begin(Bucket bucket, Communicator& communicator) {
  turns_.begin(
      std::move(bucket), [&](const Call& turn) { call(turn, communicator); },
      [&](const Bucket& b) { b.ended(communicator); });
}

void ReduceExecutor::finish(Communicator& communicator) {
  turns_.finish([&](const Call& turn) { call(turn, communicator); },
                [&](const Bucket& b) { b.ended(communicator); });
}

// While the call for one chain is under way, what came for the other is added.
void ReduceExecutor::call(const Call& turn, Communicator& communicator) {
  const std::vector<Half> both = halves(turn);
  std::shared_ptr<const Mark>& added = chains_[turn.chain].added;
  device_.exchange().begin_after(*added);
  exchange(both, communicator);
  device_.sums().begin_after(*device_.exchange().mark());
  for (const Half& half : both) {
    for (const LocalAddition& addition : half.round.additions) add(addition, half);
  }
  added = device_.sums().mark();
}

std::vector<ReduceExecutor::Half> ReduceExecutor::halves(const Call& turn) {
  Chain& chain = chains_[turn.chain];
  std::vector<Half> both;
  if (turn.opening != nullptr)
    both.push_back({*turn.opening, rounds_[*turn.rounds.opening], chain.received_opening.data()});
  if (turn.closing != nullptr)
    both.push_back({*turn.closing, rounds_[*turn.rounds.closing], chain.received_closing.data()});
  return both;
}

void ReduceExecutor::exchange(const std::vector<Half>& halves, Communicator& communicator) const {
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

GatherExecutor::GatherExecutor(const ExchangePlan& plan, int rank)
    : slices_(plan.slices), turns_(gather_halves(plan)) {
  if (slice_order(plan.route) == SliceOrder::by_rank) return;
  rounds_ = gather_rounds(plan, rank);
  is_pipelined_ = plan.is_pipelined();
}

void GatherExecutor::begin(std::vector<Bucket> buckets, Communicator& communicator) {
  if (rounds_.empty()) return gather_at_once(buckets, communicator);
  const DataType type = buckets.front().type;
  turns_.begin(
      {std::move(buckets), type}, [&](const auto& turn) { call(turn, communicator); }, [](const Group&) {});
}

void GatherExecutor::finish(Communicator& communicator) {
  turns_.finish([&](const auto& turn) { call(turn, communicator); }, [](const Group&) {});
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

void GatherExecutor::call(const Turns<Group>::Call& turn, Communicator& communicator) const {
  std::vector<Outgoing> send;
  std::vector<Incoming> receive;
  const auto collect = [&](const Group& group, const GatherRound& round) {
    for (const Bucket& bucket : group.buckets) {
      const auto at = [&](const Part& p) {
        return at_slice(bucket.data, p.slices.begin, bucket.slice, bucket.type);
      };
      for (const Part& p : round.send) send.push_back({p.peer, at(p), p.slices.count() * bucket.slice});
      for (const Part& p : round.receive) receive.push_back({p.peer, at(p), p.slices.count() * bucket.slice});
    }
  };
  if (turn.opening != nullptr) collect(*turn.opening, rounds_[*turn.rounds.opening]);
  if (turn.closing != nullptr) collect(*turn.closing, rounds_[*turn.rounds.closing]);
  communicator.exchange(send, receive, (turn.opening != nullptr ? turn.opening : turn.closing)->type);
}

}  // namespace vitrail::sharding
