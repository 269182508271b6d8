#include "trainer/settings/bounds.hpp"

#include <fmt/format.h>

namespace vitrail::trainer {

bool Bounds::contain(double value) const {
  if (low && (low_excluded ? value <= *low : value < *low)) return false;
  if (high && (high_excluded ? value >= *high : value > *high)) return false;
  return true;
}

std::string Bounds::text() const {
  if (low && high && !low_excluded && !high_excluded) return fmt::format("{} to {}", *low, *high);
  std::string text;
  if (low) text = fmt::format("{} {}", low_excluded ? ">" : ">=", *low);
  if (high) text += fmt::format("{}{} {}", low ? ", " : "", high_excluded ? "<" : "<=", *high);
  return text;
}

Bounds from_to(double low, double high) { return {.low = low, .high = high}; }
Bounds from_below(double low, double high) { return {.low = low, .high = high, .high_excluded = true}; }
Bounds above_to(double low, double high) { return {.low = low, .high = high, .low_excluded = true}; }
Bounds at_least(double low) { return {.low = low}; }
Bounds above(double low) { return {.low = low, .low_excluded = true}; }

}  // namespace vitrail::trainer
