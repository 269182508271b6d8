#include "datasets/loader/extent_cache.hpp"

#include <algorithm>

namespace vitrail::datasets {

std::shared_ptr<ExtentCache::Entry> ExtentCache::entry(const Key& key) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Entry>& found = entries_[key];
  if (!found) found = std::make_shared<Entry>();
  return found;
}

void ExtentCache::load(Entry& entry, const SampleRun& run) const {
  const std::lock_guard lock(entry.mutex);
  if (!entry.parts.empty()) return;
  std::vector<Part> parts;
  const std::uint64_t first_end = std::min(run.first + run.count, plan_.samples);
  const std::uint64_t wrapped = run.first + run.count - first_end;  // goes on at sample 0
  for (const auto& [first, end] : {std::pair{run.first, first_end}, std::pair{std::uint64_t{0}, wrapped}}) {
    if (first == end) continue;
    parts.push_back(
        {first, end,
         dataset_.read_extent(static_cast<std::int64_t>(first), static_cast<std::int64_t>(end - first))});
  }
  entry.parts = std::move(parts);
}

Sample ExtentCache::read(std::uint64_t epoch, std::uint64_t lane, std::uint64_t item) {
  const WindowOrder order(plan_, epoch);
  const WindowOrder::Spot spot = order.at(lane, item);
  const auto found = entry({lane, epoch, spot.window, spot.run});
  load(*found, order.run(lane, spot.window, spot.run));
  const auto part = std::ranges::find_if(
      found->parts, [&](const Part& p) { return p.first <= spot.sample && spot.sample < p.end; });
  const auto index = static_cast<std::int64_t>(spot.sample);
  return part->extent ? part->extent->read(index) : dataset_.read(index);
}

void ExtentCache::read_ahead(std::uint64_t epoch, std::uint64_t lane, std::uint64_t item) {
  const auto extent = static_cast<std::uint64_t>(plan_.data.extent_images);
  WindowOrder order(plan_, epoch);
  std::uint64_t window = order.window_of(item);
  const std::uint64_t shown = item - order.window_begin(window);
  if (shown % extent != 0) return;
  if (++window == order.windows()) {
    ++epoch;
    window = 0;
    order = WindowOrder(plan_, epoch);
  }
  // The n-th extent of this window lets the n-th share of the next be read.
  const std::uint64_t shares = static_cast<std::uint64_t>(plan_.data.window_extents);
  const std::uint64_t share = shown / extent, runs = order.runs(lane, window);
  for (std::uint64_t run = share * runs / shares; run < (share + 1) * runs / shares; ++run) {
    try {
      load(*entry({lane, epoch, window, run}), order.run(lane, window, run));
    } catch (const Error&) {
      return;
    }
  }
}

void ExtentCache::forget_before(std::uint64_t epoch, std::uint64_t lane, std::uint64_t item) {
  const std::uint64_t window = WindowOrder(plan_, epoch).window_of(item);
  const std::lock_guard lock(mutex_);
  entries_.erase(entries_.lower_bound({lane, 0, 0, 0}), entries_.lower_bound({lane, epoch, window, 0}));
}

}  // namespace vitrail::datasets
