#include "models/costs.hpp"

#include <algorithm>
#include <cmath>

namespace vitrail::models {
namespace {

double computed_macs(const BranchCost& branch) { return static_cast<double>(branch.macs - branch.unread); }

}  // namespace

std::int64_t Costs::all_macs() const {
  std::int64_t sum = macs;
  for (const BranchCost& branch : branches) sum += branch.macs;
  return sum;
}

double Costs::macs_in_training() const {
  auto sum = static_cast<double>(macs);
  for (const BranchCost& branch : branches) sum += (1 - branch.rate) * computed_macs(branch);
  return sum;
}

double Costs::macs_deviation() const {
  double variance = 0;
  for (const BranchCost& branch : branches) {
    const double computed = computed_macs(branch);
    variance += branch.rate * (1 - branch.rate) * computed * computed;
  }
  return std::sqrt(variance);
}

double Costs::macs_again() const {
  double again = 0;
  for (const BranchCost& branch : branches) {
    const int times = (segment > 0 ? 1 : 0) + (branch.recomputed ? 1 : 0);
    again += times * (1 - branch.rate) * computed_macs(branch);
  }
  return again;
}

std::int64_t Costs::kept_numbers() const {
  auto until_backward = static_cast<double>(kept);
  double again = 0;    // the largest part that backward computes again
  double current = 0;  // of the segment so far
  int block = 0;
  for (const BranchCost& branch : branches) {
    const double images = 1.0 - branch.rate;
    const bool shared = branch.shares_input && branch.rate == 0;
    const double input = images * static_cast<double>(branch.input);
    const double whole = images * static_cast<double>(branch.kept);
    if (segment > 0) {
      if (branch.block != block && (branch.block - 1) % segment == 0) {
        until_backward += static_cast<double>(segment_input);
        current = 0;
      }
      current += shared ? whole - input : whole;
      again = std::max(again, current);
    } else if (branch.recomputed) {
      until_backward += shared ? 0 : input;
      again = std::max(again, whole);
    } else {
      until_backward += shared ? whole - input : whole;
    }
    block = branch.block;
  }
  return std::llround(until_backward + again);
}

}  // namespace vitrail::models
