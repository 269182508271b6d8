#include "sharding/state/gradient_reducer.hpp"

#include <algorithm>
#include <bit>

#include "sharding/plan/rank_segments.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::sharding {

namespace {

// One exchange for each block that some rank holds: a single one when the number of ranks is a power of two.
std::size_t rounds_of(const std::vector<std::vector<LaneRange>>& blocks_of_rank) {
  std::size_t rounds = 0;
  for (const auto& blocks : blocks_of_rank) rounds = std::max(rounds, blocks.size());
  return rounds;
}

}  // namespace

GradientReducer::GradientReducer(const BucketPlan& plan, const ReducerOptions& settings,
                                 Communicator& communicator, Device& device)
    : plan_(plan),
      settings_(settings),
      communicator_(communicator),
      device_(device),
      lanes_(lanes_of_rank(plan.lanes, communicator.size(), communicator.rank())),
      arrived_(plan.parameters.size(), 0) {
  for (int rank = 0; rank < communicator.size(); ++rank) {
    blocks_of_rank_.push_back(aligned_blocks(lanes_of_rank(plan.lanes, communicator.size(), rank)));
  }
  for (const LaneRange block : aligned_blocks(lanes_)) {
    blocks_.push_back({block, {}});
    for (int level = 0; level < tree_levels(block); ++level) {
      std::vector<Buffer>& buffers = blocks_.back().levels.emplace_back(plan.buckets.size());
      for (std::size_t b = 0; b < plan.buckets.size() && !frees_buckets(); ++b) {
        buffers[b] = Buffer(bucket_type(b), plan.buckets[b].slice * plan.lanes, device);
      }
    }
  }
  // Backward comes to the matrices as their buckets lie; the first bucket is used in every layer.
  for (std::size_t b = 1; b < plan.buckets.size(); ++b) order_.push_back(b);
  order_.push_back(0);
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    const Bucket& bucket = plan.buckets[b];
    const bool apart = frees_buckets() || held() != lanes_ || bucket_type(b) != settings_.type;
    sums_.push_back(apart ? Buffer(settings_.type, bucket.slice * held().count(), device) : Buffer());
    widest_slice_ =
        std::max(widest_slice_, bucket.slice * static_cast<std::int64_t>(size_of(bucket_type(b))));
  }
  if (communicator.size() == 1) return;
  const std::int64_t chunk = widest_slice_ * lanes_.count();
  if (settings.fast) {
    received_.emplace_back(DataType::u8, chunk, device);
    return;
  }
  for (std::size_t round = 0; round < rounds_of(blocks_of_rank_); ++round) {
    received_.emplace_back(DataType::u8, chunk * communicator.size(), device);
  }
}

LaneRange GradientReducer::held() const { return settings_.stage == 0 ? LaneRange{0, plan_.lanes} : lanes_; }

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
  if (lane_ == kMemoryProbe) return;
  if (arrived_.at(parameter) != 0) {
    throw Error(ExitCode::crash, fmt::format("lane {}: parameter {} got two gradients", lane_,
                                             plan_.parameters[parameter].name));
  }
  arrived_[parameter] = 1;
  if (frees_buckets()) borrow_bucket(plan_.locations[parameter].bucket);
  add_to_tree(parameter, gradient);
  --missing_[plan_.locations[parameter].bucket];
  if (lane_ + 1 == lanes_.end) post_ready_buckets();
}

// Stage 2: gives the bucket memory when the first of its gradients comes.
void GradientReducer::borrow_bucket(std::size_t bucket) {
  Buffer& buffer = blocks_.front().levels.front()[bucket];
  if (buffer.elements() > 0) return;
  if (spare_.empty() && posted_.size() - returned_ >= kBucketsInFlight) return_first_posted();
  if (spare_.empty()) spare_.emplace_back(DataType::u8, widest_slice_ * plan_.lanes, device_);
  buffer = std::move(spare_.back());
  spare_.pop_back();
}

void GradientReducer::return_first_posted() {
  communicator_.wait(posted_[returned_]);
  spare_.push_back(std::move(blocks_.front().levels.front()[order_[returned_]]));
  blocks_.front().levels.front()[order_[returned_]] = Buffer();
  ++returned_;
}

void GradientReducer::post_ready_buckets() {
  while (posted_.size() < order_.size() && missing_[order_[posted_.size()]] == 0) post_next_bucket();
}

void GradientReducer::post_next_bucket() {
  const std::size_t bucket = order_[posted_.size()];
  const auto gradients_are_there = device_.compute().mark();
  posted_.push_back(communicator_.post([this, bucket, gradients_are_there](Communicator& communicator) {
    gradients_are_there();
    exchange_bucket(bucket, communicator);
  }));
}

// The tree as a binary counter: level j holds the sum of 2^j lanes while bit j of the number of lanes done is
// set.
void GradientReducer::add_to_tree(std::size_t parameter, const std::byte* gradient) {
  Block& block = block_of(lane_);
  const Location& location = plan_.locations[parameter];
  const std::int64_t n = plan_.parameters[parameter].elements;
  const DataType type = bucket_type(location.bucket);
  const auto level = [&](int j) {
    return block.levels[static_cast<std::size_t>(j)][location.bucket].data() +
           static_cast<std::size_t>(location.begin) * size_of(type);
  };
  const int carries = std::countr_one(static_cast<std::uint64_t>(lane_ - block.lanes.begin));
  if (carries == 0) {
    device_.compute().copy(gradient, static_cast<std::size_t>(n) * size_of(type), level(0));
    return;
  }
  const int top = static_cast<int>(block.levels.size()) - 1;  // the block's last sum stays in the top level
  const std::byte* right = gradient;
  for (int j = 0; j < carries; ++j) {
    std::byte* to = j + 1 == carries ? level(std::min(carries, top)) : level(j);
    device_.compute().add(type, level(j), right, n, to);
    right = to;
  }
}

std::byte* GradientReducer::own_chunk(Block& block, std::size_t bucket) {
  return block.levels.back()[bucket].data() +
         static_cast<std::size_t>(lanes_.begin * plan_.buckets[bucket].slice) * size_of(bucket_type(bucket));
}

std::byte* GradientReducer::sum(std::size_t bucket) {
  return sums_[bucket].elements() > 0 ? sums_[bucket].data() : own_chunk(blocks_.front(), bucket);
}

void GradientReducer::exchange() {
  while (posted_.size() < order_.size()) post_next_bucket();
  for (const auto ticket : posted_) communicator_.wait(ticket);
  while (frees_buckets() && returned_ < posted_.size()) return_first_posted();
  posted_.clear();
  returned_ = 0;
}

void GradientReducer::exchange_bucket(std::size_t bucket, Communicator& communicator) {
  if (settings_.fast && communicator.size() > 1) {
    reduce_fast(bucket, communicator);
  } else {
    std::vector<Node> nodes = exchange_chunks(bucket, communicator);
    deliver(bucket, nodes);
  }
  device_.exchange().mark()();
  if (held() == lanes_) return;
  communicator.all_gather(sum(bucket),
                          rank_segments(plan_.lanes, plan_.buckets[bucket].slice, communicator.size()),
                          settings_.type);
}

// Every rank's chunk of every block that it holds goes to the rank that owns the chunk. Returns this rank's,
// as the leaves of the tree that is left, in lane order.
std::vector<GradientReducer::Node> GradientReducer::exchange_chunks(std::size_t bucket,
                                                                    Communicator& communicator) {
  const std::int64_t slice = plan_.buckets[bucket].slice;
  const std::int64_t chunk = slice * lanes_.count();
  const DataType type = bucket_type(bucket);
  const auto world = static_cast<std::size_t>(communicator.size());
  std::vector<Node> nodes;
  for (std::size_t round = 0; round < rounds_of(blocks_of_rank_); ++round) {
    std::byte* target = world > 1 ? received_[round].data() : nullptr;
    const bool sends = round < blocks_.size();
    const auto send =
        sends ? rank_segments(plan_.lanes, slice, communicator.size()) : std::vector<Segment>(world);
    std::vector<Segment> receive(world);
    for (std::size_t peer = 0; peer < world; ++peer) {
      const bool peer_sends = round < blocks_of_rank_[peer].size();
      receive[peer] = {static_cast<std::int64_t>(peer) * chunk, peer_sends ? chunk : 0};
      if (!peer_sends) continue;
      const bool own = static_cast<int>(peer) == communicator.rank();
      std::byte* received = target + static_cast<std::size_t>(receive[peer].begin) * size_of(type);
      nodes.push_back({blocks_of_rank_[peer][round], own ? own_chunk(blocks_[round], bucket) : received});
    }
    std::byte* source = sends ? blocks_[round].levels.back()[bucket].data() : nullptr;
    communicator.all_to_all(source, send, target, receive, type);
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const auto& a, const auto& b) { return a.lanes.begin < b.lanes.begin; });
  return nodes;
}

// Sums the tree over what was received and brings it to where sum() says it is.
void GradientReducer::deliver(std::size_t bucket, std::vector<Node>& nodes) {
  const std::int64_t slice = plan_.buckets[bucket].slice;
  const DataType type = bucket_type(bucket);
  std::byte* to =
      sum(bucket) + static_cast<std::size_t>((lanes_.begin - held().begin) * slice) * size_of(settings_.type);
  for (std::int64_t n = 0, rest = slice * lanes_.count(); rest > 0; rest -= n) {
    n = std::min(rest, device_.elements_at_once());
    std::byte* summed = sum_tree(nodes, type, n);
    if (summed != to) device_.exchange().widen(type, summed, n, to);
    for (Node& node : nodes) node.sum += static_cast<std::size_t>(n) * size_of(type);
    to += static_cast<std::size_t>(n) * size_of(settings_.type);
  }
}

// Adds siblings until the root is left: `nodes` are in lane order and cover all lanes.
std::byte* GradientReducer::sum_tree(const std::vector<Node>& nodes, DataType type, std::int64_t n) {
  std::vector<Node> stack;
  for (Node node : nodes) {
    while (!stack.empty() && stack.back().lanes.count() == node.lanes.count() &&
           stack.back().lanes.begin % (2 * node.lanes.count()) == 0) {
      device_.exchange().add(type, stack.back().sum, node.sum, n, stack.back().sum);
      node = {{stack.back().lanes.begin, node.lanes.end}, stack.back().sum};
      stack.pop_back();
    }
    stack.push_back(node);
  }
  return stack.front().sum;
}

// All of a rank's lanes in one sum, then the communicator's own sum over ranks.
void GradientReducer::reduce_fast(std::size_t bucket, Communicator& communicator) {
  const std::int64_t slice = plan_.buckets[bucket].slice, chunk = slice * lanes_.count();
  const DataType type = bucket_type(bucket);
  std::byte* own = blocks_.front().levels.back()[bucket].data();
  for (std::size_t b = 1; b < blocks_.size(); ++b) {
    device_.exchange().add(type, own, blocks_[b].levels.back()[bucket].data(), slice * plan_.lanes, own);
  }
  device_.exchange().mark()();
  communicator.reduce_scatter(own, received_.front().data(), chunk, type);
  std::byte* to =
      sum(bucket) + static_cast<std::size_t>((lanes_.begin - held().begin) * slice) * size_of(settings_.type);
  device_.exchange().widen(type, received_.front().data(), chunk, to);
}

}  // namespace vitrail::sharding
