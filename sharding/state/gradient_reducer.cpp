#include "sharding/state/gradient_reducer.hpp"

#include <algorithm>
#include <utility>

#include "trainer/base/error.hpp"

namespace vitrail::sharding {

GradientReducer::GradientReducer(const BucketPlan& plan, const ExchangePlan& exchange,
                                 const ReducerOptions& settings, Communicator& communicator, Device& device)
    : plan_(plan),
      settings_(settings),
      device_(device),
      layout_(layout_of(exchange, settings.stage, communicator.rank())),
      blocks_(aligned_blocks(layout_.lanes).size()),
      by_library_(exchange.by_library() && communicator.size() > 1),
      full_sums_(static_cast<std::size_t>(layout_.full_sums)),
      widest_slice_(widest_slice(plan, settings)),
      reduce_(exchange, communicator.rank(), widest_slice_, settings.in_turn, device),
      gather_(exchange, communicator.rank()),
      arrived_(plan.parameters.size(), 0),
      order_(backward_order(plan)),
      posted_(communicator, device) {
  for (std::vector<Buffer>& buffers : full_sums_) {
    buffers.resize(plan.buckets.size());
    for (std::size_t b = 0; b < plan.buckets.size() && !frees_buckets(); ++b) {
      buffers[b] = Buffer(bucket_type(b), plan.buckets[b].slice * plan.lanes, device);
    }
  }
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    const bool apart = frees_buckets() || layout_.shares_sums() || bucket_type(b) != settings_.type;
    const std::int64_t elements = plan.buckets[b].slice * layout_.held.count();
    sums_.push_back(apart ? Buffer(settings_.type, elements, device) : Buffer());
  }
  if (by_library_) received_ = Buffer(DataType::u8, widest_slice_ * layout_.own.count(), device);
}

void GradientReducer::begin_lane(std::int64_t lane) {
  lane_ = lane;
  sums_before_ = aligned_blocks({layout_.lanes.begin, lane}).size();
  sums_after_ = aligned_blocks({layout_.lanes.begin, lane + 1}).size();
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
  add(parameter, gradient, type_of(parameter));
}

void GradientReducer::add(std::size_t parameter, const std::byte* gradient, DataType type) {
  if (lane_ == kMemoryProbe) return;
  if (arrived_.at(parameter) != 0) {
    throw Error(ExitCode::crash, fmt::format("lane {}: parameter {} got two gradients", lane_,
                                             plan_.parameters[parameter].name));
  }
  arrived_[parameter] = 1;
  if (frees_buckets()) borrow_bucket(plan_.locations[parameter].bucket);
  add_to_tree(parameter, gradient, type);
  --missing_[plan_.locations[parameter].bucket];
  if (lane_ + 1 == layout_.lanes.end) post_ready_buckets();
}

// Stage 2: gives the bucket memory when the first of its gradients comes.
void GradientReducer::borrow_bucket(std::size_t bucket) {
  Buffer& buffer = full_sums_.front()[bucket];
  if (buffer.elements() > 0) return;
  if (spare_.empty() && posted_.size() - returned_ >= kBucketsInFlight) return_first_posted();
  if (spare_.empty()) spare_.emplace_back(DataType::u8, widest_slice_ * plan_.lanes, device_);
  buffer = std::move(spare_.back());
  spare_.pop_back();
}

void GradientReducer::return_first_posted() {
  posted_.compute_after(reduce_.turns().ended_by(returned_, order_.size()));
  spare_.push_back(std::move(full_sums_.front()[order_[returned_]]));
  full_sums_.front()[order_[returned_]] = Buffer();
  ++returned_;
}

void GradientReducer::post_ready_buckets() {
  while (posted_.size() < order_.size() && missing_[order_[posted_.size()]] == 0) post_next_bucket();
}

void GradientReducer::post_next_bucket() {
  posted_.post([this, bucket = order_[posted_.size()]](Communicator& c) { exchange_bucket(bucket, c); });
}

// The lanes done so far are there as the sums over their aligned blocks. The lane is one more, or is added to
// the last of them, that to the one before it, and so on, while they are siblings.
void GradientReducer::add_to_tree(std::size_t parameter, const std::byte* gradient, DataType given) {
  const Location& location = plan_.locations[parameter];
  const std::int64_t n = plan_.parameters[parameter].elements;
  const DataType type = bucket_type(location.bucket);
  const auto at = [&](std::size_t place) {
    return full_sums_[place][location.bucket].data() +
           static_cast<std::size_t>(location.begin) * size_of(type);
  };
  if (sums_after_ > sums_before_) {
    std::byte* const to = at(sums_before_);
    if (given != type) return device_.compute().widen(given, gradient, n, to);
    return device_.compute().copy(gradient, static_cast<std::size_t>(n) * size_of(type), to);
  }
  std::vector<Addend> addends;
  for (std::size_t place = sums_after_ - 1; place < sums_before_; ++place)
    addends.push_back({at(place), type});
  addends.push_back({gradient, given, static_cast<int>(addends.size())});
  device_.compute().add(type, addends, n, at(sums_after_ - 1));
}

std::byte* GradientReducer::own_slices(std::size_t bucket) {
  return full_sums_.front()[bucket].data() +
         static_cast<std::size_t>(layout_.own.begin * plan_.buckets[bucket].slice) *
             size_of(bucket_type(bucket));
}

std::byte* GradientReducer::sum(std::size_t bucket) {
  return sums_[bucket].elements() > 0 ? sums_[bucket].data() : own_slices(bucket);
}

std::vector<std::byte*> GradientReducer::sums() {
  std::vector<std::byte*> all;
  for (std::size_t bucket = 0; bucket < plan_.buckets.size(); ++bucket) all.push_back(sum(bucket));
  return all;
}

void GradientReducer::exchange() {
  while (posted_.size() < order_.size()) post_next_bucket();
  posted_.post([this](Communicator& c) { reduce_.finish(c); });
  while (frees_buckets() && returned_ < order_.size()) return_first_posted();
  returned_ = 0;
  posted_.finish();
}

void GradientReducer::exchange_bucket(std::size_t bucket, Communicator& communicator) {
  std::vector<std::byte*> sums;
  for (std::size_t place = 0; place < blocks_; ++place) sums.push_back(full_sums_[place][bucket].data());
  if (by_library_) return hand_over(bucket, reduce_by_library(sums, bucket, communicator), communicator);
  reduce_.begin({std::move(sums), plan_.buckets[bucket].slice, bucket_type(bucket),
                 [this, bucket](Communicator& c) { hand_over(bucket, own_slices(bucket), c); }},
                communicator);
}

// `own`: the sums over all lanes, to where the update reads them.
void GradientReducer::hand_over(std::size_t bucket, const std::byte* own, Communicator& communicator) {
  const std::int64_t slice = plan_.buckets[bucket].slice;
  std::byte* to = sum(bucket) + static_cast<std::size_t>((layout_.own.begin - layout_.held.begin) * slice) *
                                    size_of(settings_.type);
  if (own != to) device_.sums().widen(bucket_type(bucket), own, slice * layout_.own.count(), to);
  if (!layout_.shares_sums()) return;
  device_.exchange().begin_after(*device_.sums().mark());
  gather_.begin({{sum(bucket), slice, settings_.type}}, communicator);
  gather_.finish(communicator);
}

// All of a rank's lanes in one sum, then the communicator's own sum over ranks.
const std::byte* GradientReducer::reduce_by_library(std::span<std::byte* const> sums, std::size_t bucket,
                                                    Communicator& communicator) {
  const std::int64_t slice = plan_.buckets[bucket].slice;
  const DataType type = bucket_type(bucket);
  device_.exchange().begin_after(*device_.sums().mark());  // reads what stands in received_
  std::vector<Addend> addends;
  for (const std::byte* sum : sums) addends.push_back({sum, type, addends.empty() ? 0 : 1});
  if (sums.size() > 1) device_.exchange().add(type, addends, slice * plan_.lanes, sums.front());
  communicator.reduce_scatter(sums.front(), received_.data(), slice * layout_.own.count(), type);
  device_.sums().begin_after(*device_.exchange().mark());
  return received_.data();
}

}  // namespace vitrail::sharding
