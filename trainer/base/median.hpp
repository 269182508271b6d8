// The middle one of some values, of an even number the larger of the two in the middle. There is one at
// least.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace vitrail {

template <class Value>
Value upper_median(std::vector<Value> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace vitrail
