#include "datasets/loader/lane_order.hpp"

#include <algorithm>

#include "datasets/loader/sampler.hpp"

namespace vitrail::datasets {

WindowOrder::WindowOrder(const OrderPlan& plan, std::uint64_t epoch)
    : seed_(plan.seed),
      epoch_(epoch),
      samples_(plan.samples),
      length_(plan.stream_length()),
      extent_(static_cast<std::uint64_t>(plan.data.extent_images)),
      window_(extent_ * static_cast<std::uint64_t>(plan.data.window_extents)),
      whole_(samples_ / extent_),
      offset_(Philox(seed_, Purpose::extents, epoch, 0, 0xffff).below(samples_)),
      extents_({.seed = seed_, .purpose = Purpose::extents, .epoch = epoch},
               std::max<std::uint64_t>(whole_, 1)) {}

std::uint64_t WindowOrder::window_end(std::uint64_t window) const {
  return std::min((window + 1) * window_, length_);
}

std::uint64_t WindowOrder::extent_begin(std::uint64_t extent) const {
  return offset_ + (extent < whole_ ? extents_.at(extent) : whole_) * extent_;
}

WindowOrder::Spot WindowOrder::at(std::uint64_t lane, std::uint64_t item) const {
  const std::uint64_t window = window_of(item), begin = window_begin(window);
  const Permutation inside(
      {.seed = seed_, .purpose = Purpose::window, .epoch = epoch_, .id = lane * windows() + window},
      window_end(window) - begin);
  const std::uint64_t first_place = lane * length_ + begin;
  const std::uint64_t place = first_place + inside.at(item - begin);
  const std::uint64_t extent = place / extent_;
  return {(extent_begin(extent) + place % extent_) % samples_, window, extent - first_place / extent_};
}

std::uint64_t WindowOrder::runs(std::uint64_t lane, std::uint64_t window) const {
  const std::uint64_t first = lane * length_ + window_begin(window),
                      end = lane * length_ + window_end(window);
  return (end - 1) / extent_ - first / extent_ + 1;
}

SampleRun WindowOrder::run(std::uint64_t lane, std::uint64_t window, std::uint64_t run) const {
  const std::uint64_t first = lane * length_ + window_begin(window),
                      end = lane * length_ + window_end(window);
  const std::uint64_t extent = first / extent_ + run;
  const std::uint64_t begin = std::max(first, extent * extent_);
  return {(extent_begin(extent) + begin % extent_) % samples_, std::min(end, (extent + 1) * extent_) - begin};
}

Pick pick_sample(const OrderPlan& plan, std::uint64_t epoch, std::uint64_t lane, std::uint64_t item) {
  const auto copies = static_cast<std::uint64_t>(plan.data.repeated_augmentation);
  Pick pick;
  pick.copy = static_cast<std::uint32_t>(item % copies);
  pick.lane = (lane + plan.lanes - pick.copy % plan.lanes) % plan.lanes;
  pick.item = item / copies;
  if (plan.data.order == Order::window) {
    pick.sample = WindowOrder(plan, epoch).at(pick.lane, pick.item).sample;
    return pick;
  }
  const std::uint64_t b = plan.lane_batch();
  const std::uint64_t place = (pick.item / b * plan.lanes + pick.lane) * b + pick.item % b;
  pick.sample = EpochOrder(plan.data.order, plan.seed, epoch, plan.samples).sample_at(place);
  return pick;
}

}  // namespace vitrail::datasets
