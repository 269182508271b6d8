#include "trainer/tasks/task.hpp"

#include <cmath>
#include <numbers>

namespace vitrail::trainer {

std::span<const double> LaneValues::of(std::size_t lane) const {
  const std::size_t each = all.size() / lanes;
  return all.subspan(lane * each, each);
}

std::vector<double> LaneValues::sums() const {
  std::vector<double> sums(all.size() / lanes);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const std::span<const double> own = of(lane);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += own[i];
  }
  return sums;
}

double rising_momentum(double first, std::int64_t step, std::int64_t steps) {
  const double done = static_cast<double>(step) / static_cast<double>(steps);
  return 1 - (1 - first) * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace vitrail::trainer
