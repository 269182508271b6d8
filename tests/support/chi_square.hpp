// Pearson's statistic less its mean, in standard deviations: a standard normal for many cells that are all
// expected to hold the same number.
#pragma once

#include <cmath>
#include <vector>

namespace vitrail::tests {

inline double chi_square_z(const std::vector<double>& observed, double expected) {
  double sum = 0;
  for (const double o : observed) sum += (o - expected) * (o - expected) / expected;
  const double degrees = static_cast<double>(observed.size()) - 1;
  return (sum - degrees) / std::sqrt(2 * degrees);
}

}  // namespace vitrail::tests
