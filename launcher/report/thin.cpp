#include "launcher/report/thin.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>

namespace vitrail::launcher {

std::vector<Stretch> stretches(std::size_t rows, std::size_t most) {
  const std::size_t count = std::min(rows, most);
  std::vector<Stretch> points;
  for (std::size_t i = 0; i < count; ++i) points.push_back({rows * i / count, rows * (i + 1) / count});
  return points;
}

double six_digits(double value) {
  return std::isfinite(value) ? std::strtod(fmt::format("{:.6g}", value).c_str(), nullptr) : value;
}

ThinCurve thin(const std::vector<double>& values, const std::vector<Stretch>& points) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  ThinCurve curve;
  for (const Stretch& point : points) {
    double sum = 0, least = kNone, most = kNone;
    std::size_t count = 0;
    for (std::size_t i = point.begin; i < point.end; ++i) {
      if (!std::isfinite(values[i])) continue;
      sum += values[i];
      least = std::fmin(least, values[i]);
      most = std::fmax(most, values[i]);
      ++count;
    }
    curve.mean.push_back(count == 0 ? kNone : six_digits(sum / static_cast<double>(count)));
    curve.least.push_back(six_digits(least));
    curve.most.push_back(six_digits(most));
  }
  return curve;
}

}  // namespace vitrail::launcher
