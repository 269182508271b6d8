// The numbers that a setting may have.
#pragma once

#include <optional>
#include <string>

namespace vitrail::trainer {

struct Bounds {
  std::optional<double> low = {}, high = {};
  bool low_excluded = false, high_excluded = false;

  bool contain(double value) const;
  std::string text() const;  // "1 to 65536", "> 0", ">= 0, < 1"; empty without bounds
};
Bounds from_to(double low, double high);
Bounds from_below(double low, double high);  // high excluded
Bounds above_to(double low, double high);    // low excluded
Bounds at_least(double low);
Bounds above(double low);

}  // namespace vitrail::trainer
