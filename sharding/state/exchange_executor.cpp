#include "sharding/state/exchange_executor.hpp"

#include <algorithm>

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

}  // namespace

ReduceExecutor::ReduceExecutor(const ExchangePlan& plan, int rank, std::int64_t widest_slice, Device& device)
    : rounds_(reduce_rounds(plan, rank)),
      device_(device),
      received_(DataType::u8, most_received(rounds_) * widest_slice, device) {}

std::byte* ReduceExecutor::received(std::int64_t at, std::int64_t slice, DataType type) {
  return at_slice(received_.data(), at, slice, type);
}

void ReduceExecutor::run(std::span<std::byte* const> sums, std::int64_t slice, DataType type,
                         Communicator& communicator) {
  for (const ReduceRound& round : rounds_) {
    std::vector<Outgoing> send;
    for (const Message& m : round.send) {
      send.push_back({m.peer, at_slice(sums[static_cast<std::size_t>(m.place)], m.slices.begin, slice, type),
                      m.slices.count() * slice});
    }
    std::vector<Incoming> receive;
    for (const Message& m : round.receive) {
      receive.push_back({m.peer, received(m.received_at, slice, type), m.slices.count() * slice});
    }
    communicator.exchange(send, receive, type);
    for (const LocalAddition& addition : round.additions) add(addition, sums, slice, type);
    device_.exchange().mark()();
  }
}

void ReduceExecutor::add(const LocalAddition& addition, std::span<std::byte* const> sums, std::int64_t slice,
                         DataType type) {
  std::vector<Node> nodes;
  for (const Term& term : addition.terms) {
    std::byte* sum = term.received ? received(term.received_at, slice, type)
                                   : at_slice(sums[static_cast<std::size_t>(term.place)],
                                              addition.slices.begin, slice, type);
    nodes.push_back({term.block, sum, !term.received && term.place == addition.place});
  }
  for (std::int64_t n = 0, rest = addition.slices.count() * slice; rest > 0; rest -= n) {
    n = std::min(rest, device_.elements_at_once());
    add_siblings(nodes, type, n);
    for (Node& node : nodes) node.sum += static_cast<std::size_t>(n) * size_of(type);
  }
}

// Until one sum is left: `nodes` are in lane order and cover a block.
void ReduceExecutor::add_siblings(const std::vector<Node>& nodes, DataType type, std::int64_t n) {
  std::vector<Node> stack;
  for (Node node : nodes) {
    while (!stack.empty() && stack.back().block.count() == node.block.count() &&
           stack.back().block.begin % (2 * node.block.count()) == 0) {
      const Node left = stack.back();
      stack.pop_back();
      std::byte* to = node.at_home ? node.sum : left.sum;
      device_.exchange().add(type, left.sum, node.sum, n, to);
      node = {{left.block.begin, node.block.end}, to, left.at_home || node.at_home};
    }
    stack.push_back(node);
  }
}

GatherExecutor::GatherExecutor(const ExchangePlan& plan, int rank) : slices_(plan.slices) {
  if (slice_order(plan.route) == SliceOrder::bit_reversed) rounds_ = gather_rounds(plan, rank);
}

void GatherExecutor::run(std::byte* bucket, std::int64_t slice, DataType type,
                         Communicator& communicator) const {
  if (rounds_.empty()) {
    std::vector<Segment> segments;
    for (const LaneRange& of_rank : slices_) {
      segments.push_back({of_rank.begin * slice, of_rank.count() * slice});
    }
    return communicator.all_gather(bucket, segments, type);
  }
  for (const GatherRound& round : rounds_) {
    std::vector<Outgoing> send;
    for (const Part& p : round.send) {
      send.push_back({p.peer, at_slice(bucket, p.slices.begin, slice, type), p.slices.count() * slice});
    }
    std::vector<Incoming> receive;
    for (const Part& p : round.receive) {
      receive.push_back({p.peer, at_slice(bucket, p.slices.begin, slice, type), p.slices.count() * slice});
    }
    communicator.exchange(send, receive, type);
  }
}

}  // namespace vitrail::sharding
