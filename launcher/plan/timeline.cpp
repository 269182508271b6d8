#include "launcher/plan/timeline.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vitrail::launcher {

double exposed_after_backward(double backward, const std::vector<Exchange>& exchanges) {
  double computed = 0, sent = 0;
  for (const Exchange& exchange : exchanges) {
    computed += backward * exchange.share;
    sent = std::max(sent, computed) + exchange.seconds;
  }
  return std::max(0.0, sent - std::max(computed, backward));
}

double exposed_in_forward(double forward, const std::vector<Exchange>& exchanges) {
  double arrived = 0, computed = 0, share = 0;
  for (const Exchange& exchange : exchanges) {
    arrived += exchange.seconds;
    computed = std::max(computed, arrived) + forward * exchange.share;
    share += exchange.share;
  }
  return computed - forward * share;
}

// The integral over x of [x > 0] - F(x)^count, F being the law's distribution.
double largest_of_normals(std::int64_t count) {
  constexpr double kEnd = 12, kStep = 1.0 / 512;  // at a step of 1/512 the sum is exact to 1e-9
  double sum = 0;
  for (double x = -kEnd + kStep / 2; x < kEnd; x += kStep) {
    const double below = std::erfc(-x / std::numbers::sqrt2) / 2;
    sum += (x > 0 ? 1 : 0) - std::pow(below, static_cast<double>(count));
  }
  return sum * kStep;
}

double best_interval(double cost, double failure) { return std::sqrt(2 * cost * failure); }

}  // namespace vitrail::launcher
