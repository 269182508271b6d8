#include "sharding/gradient_reducer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {
namespace {

// A node of the tree over lanes that is already summed: `lanes` and the address of its chunk.
template <class Real>
struct Node {
  LaneRange lanes;
  Real* sum;
};

template <class Real>
void add_into(Real* left, const Real* right, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) left[i] = left[i] + right[i];
}

// Adds siblings until the root is left: `nodes` are in lane order and cover all lanes.
template <class Real>
Real* sum_tree(const std::vector<Node<Real>>& nodes, std::int64_t n) {
  std::vector<Node<Real>> stack;
  for (Node<Real> node : nodes) {
    while (!stack.empty() && stack.back().lanes.count() == node.lanes.count() &&
           stack.back().lanes.begin % (2 * node.lanes.count()) == 0) {
      add_into(stack.back().sum, node.sum, n);
      node = {{stack.back().lanes.begin, node.lanes.end}, stack.back().sum};
      stack.pop_back();
    }
    stack.push_back(node);
  }
  return stack.front().sum;
}

}  // namespace

GradientReducer::GradientReducer(const BucketPlan& plan, DataType sum_type, Communicator& communicator)
    : plan_(plan),
      type_(sum_type),
      communicator_(communicator),
      lanes_(lanes_of_rank(plan.lanes, communicator.size(), communicator.rank())),
      arrived_(plan.parameters.size(), 0) {
  for (int rank = 0; rank < communicator.size(); ++rank) {
    blocks_of_rank_.push_back(aligned_blocks(lanes_of_rank(plan.lanes, communicator.size(), rank)));
  }
  for (const LaneRange block : aligned_blocks(lanes_)) {
    const int levels = std::max(1, std::countr_zero(static_cast<std::uint64_t>(block.count())));
    blocks_.push_back({block, {}});
    for (int level = 0; level < levels; ++level) {
      std::vector<Buffer>& buffers = blocks_.back().levels.emplace_back();
      for (const Bucket& bucket : plan.buckets) buffers.emplace_back(type_, bucket.slice * plan.lanes);
    }
  }
  // Backward comes to the matrices as their buckets lie; the first bucket is used in every layer.
  for (std::size_t b = 1; b < plan.buckets.size(); ++b) order_.push_back(b);
  order_.push_back(0);
  std::int64_t widest = 0;
  for (const Bucket& bucket : plan.buckets) widest = std::max(widest, bucket.slice);
  if (communicator.size() > 1) received_ = Buffer(type_, widest * lanes_.count() * communicator.size());
}

GradientReducer::Block& GradientReducer::block_of(std::int64_t lane) {
  return *std::find_if(blocks_.begin(), blocks_.end(),
                       [&](const Block& b) { return b.lanes.contains(lane); });
}

void GradientReducer::begin_lane(std::int64_t lane) {
  lane_ = lane;
  missing_.clear();
  for (const Bucket& bucket : plan_.buckets) missing_.push_back(bucket.parameters.size());
  std::fill(arrived_.begin(), arrived_.end(), char{0});
}

void GradientReducer::end_lane() {
  const auto missing = std::find(arrived_.begin(), arrived_.end(), char{0});
  if (missing == arrived_.end()) return;
  const auto index = static_cast<std::size_t>(missing - arrived_.begin());
  throw Error(ExitCode::crash,
              fmt::format("lane {}: parameter {} got no gradient", lane_, plan_.parameters[index].name));
}

void GradientReducer::add(std::size_t parameter, const std::byte* gradient) {
  if (arrived_.at(parameter) != 0) {
    throw Error(ExitCode::crash, fmt::format("lane {}: parameter {} got two gradients", lane_,
                                             plan_.parameters[parameter].name));
  }
  arrived_[parameter] = 1;
  with_real(type_, [&](auto zero) {
    using Real = decltype(zero);
    add_to_tree(parameter, reinterpret_cast<const Real*>(gradient));
  });
  --missing_[plan_.locations[parameter].bucket];
  if (lane_ + 1 == lanes_.end) post_ready_buckets();
}

void GradientReducer::post_ready_buckets() {
  while (posted_.size() < order_.size() && missing_[order_[posted_.size()]] == 0) post_next_bucket();
}

void GradientReducer::post_next_bucket() {
  const std::size_t bucket = order_[posted_.size()];
  posted_.push_back(communicator_.post([this, bucket](Communicator& communicator) {
    with_real(type_, [&](auto zero) { exchange_bucket<decltype(zero)>(bucket, communicator); });
  }));
}

// The tree as a binary counter: level j holds the sum of 2^j lanes while bit j of the number of lanes done is
// set.
template <class Real>
void GradientReducer::add_to_tree(std::size_t parameter, const Real* gradient) {
  Block& block = block_of(lane_);
  const Location& location = plan_.locations[parameter];
  const std::int64_t n = plan_.parameters[parameter].elements;
  const auto level = [&](int j) {
    return block.levels[static_cast<std::size_t>(j)][location.bucket].template as<Real>().data() +
           location.begin;
  };
  const int carries = std::countr_one(static_cast<std::uint64_t>(lane_ - block.lanes.begin));
  if (carries == 0) {
    std::memcpy(level(0), gradient, static_cast<std::size_t>(n) * sizeof(Real));
    return;
  }
  const int top = static_cast<int>(block.levels.size()) - 1;  // the block's last sum stays in the top level
  const Real* right = gradient;
  for (int j = 0; j < carries; ++j) {
    const Real* left = level(j);
    Real* to = j + 1 == carries ? level(std::min(carries, top)) : level(j);
    for (std::int64_t i = 0; i < n; ++i) to[i] = left[i] + right[i];
    right = to;
  }
}

std::byte* GradientReducer::own_chunk(Block& block, std::size_t bucket) {
  return block.levels.back()[bucket].at(lanes_.begin * plan_.buckets[bucket].slice);
}

std::byte* GradientReducer::sum(std::size_t bucket) { return own_chunk(blocks_.front(), bucket); }

void GradientReducer::exchange() {
  while (posted_.size() < order_.size()) post_next_bucket();
  for (const auto ticket : posted_) communicator_.wait(ticket);
  posted_.clear();
}

template <class Real>
void GradientReducer::exchange_bucket(std::size_t bucket, Communicator& communicator) {
  const std::int64_t slice = plan_.buckets[bucket].slice;
  const std::int64_t chunk = slice * lanes_.count();
  const auto world = static_cast<std::size_t>(communicator.size());
  std::size_t rounds = 0;  // one for each block that some rank holds: a single one when N is a power of two
  for (const auto& blocks : blocks_of_rank_) rounds = std::max(rounds, blocks.size());

  std::vector<Buffer> extra;  // chunks of the rounds after the first
  std::vector<Node<Real>> nodes;
  for (std::size_t round = 0; round < rounds; ++round) {
    if (round > 0) extra.emplace_back(type_, chunk * communicator.size());
    Buffer& target = round == 0 ? received_ : extra.back();
    std::vector<Segment> send(world), receive(world);
    for (std::size_t peer = 0; peer < world; ++peer) {
      const LaneRange of_peer = lanes_of_rank(plan_.lanes, communicator.size(), static_cast<int>(peer));
      const bool peer_sends = round < blocks_of_rank_[peer].size();
      if (round < blocks_.size()) send[peer] = {of_peer.begin * slice, of_peer.count() * slice};
      receive[peer] = {static_cast<std::int64_t>(peer) * chunk, peer_sends ? chunk : 0};
      if (!peer_sends) continue;
      const bool own = static_cast<int>(peer) == communicator.rank();
      std::byte* where = own ? own_chunk(blocks_[round], bucket) : target.at(receive[peer].begin);
      nodes.push_back({blocks_of_rank_[peer][round], reinterpret_cast<Real*>(where)});
    }
    std::byte* source = round < blocks_.size() ? blocks_[round].levels.back()[bucket].data() : nullptr;
    communicator.all_to_all(source, send, target.data(), receive, type_);
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const auto& a, const auto& b) { return a.lanes.begin < b.lanes.begin; });
  constexpr std::int64_t kCached = 1 << 12;  // elements of all nodes together stay in the second-level cache
  auto* to = reinterpret_cast<Real*>(sum(bucket));
  for (std::int64_t n = 0, rest = chunk; rest > 0; rest -= n, to += n) {
    n = std::min(rest, kCached);
    std::memmove(to, sum_tree(nodes, n), static_cast<std::size_t>(n) * sizeof(Real));
    for (Node<Real>& node : nodes) node.sum += n;
  }
}

}  // namespace vitrail::sharding
