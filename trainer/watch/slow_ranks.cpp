#include "trainer/watch/slow_ranks.hpp"

#include <algorithm>

namespace vitrail::trainer {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// The median rank other than `rank`.
double of_others(const std::vector<double>& by_rank, std::size_t rank) {
  std::vector<double> others = by_rank;
  others.erase(others.begin() + static_cast<std::ptrdiff_t>(rank));
  return median(others);
}

}  // namespace

std::vector<SlowRank> SlowRanks::add(const std::vector<OwnWork>& step) {
  if (factor_ == 0 || step.size() < 2) return {};
  window_.push_back(step);
  if (window_.size() < kWindow) return {};
  std::vector<double> data, all;
  for (std::size_t rank = 0; rank < step.size(); ++rank) {
    std::vector<double> data_of_rank, all_of_rank;
    for (const auto& work : window_) {
      data_of_rank.push_back(work[rank].data);
      all_of_rank.push_back(work[rank].all());
    }
    data.push_back(median(data_of_rank));
    all.push_back(median(all_of_rank));
  }
  window_.clear();
  slow_windows_.resize(all.size());
  std::vector<SlowRank> found;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const double others = of_others(all, rank);
    const bool slow = all[rank] >= factor_ * others && all[rank] - others >= kLeast;
    slow_windows_[rank] = slow ? slow_windows_[rank] + 1 : 0;
    if (slow_windows_[rank] % kQuietFor != 2) continue;
    const double more_data = data[rank] - of_others(data, rank);
    found.push_back({static_cast<int>(rank), all[rank] / others, more_data > (all[rank] - others) / 2});
  }
  return found;
}

}  // namespace vitrail::trainer
