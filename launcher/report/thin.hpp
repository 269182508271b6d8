// Curves as a page can draw them: neighbouring steps share a point, with their mean and how far they lie
// apart. Pure functions.
#pragma once

#include <cstddef>
#include <vector>

namespace vitrail::launcher {

// [begin, end) of each point, as even as can be; at most so many, and none empty.
struct Stretch {
  std::size_t begin = 0, end = 0;
};
std::vector<Stretch> stretches(std::size_t rows, std::size_t most);

// Of the values that are numbers; NaN where none is. Six digits: what a page shows.
struct ThinCurve {
  std::vector<double> mean, least, most;
};
ThinCurve thin(const std::vector<double>& values, const std::vector<Stretch>& points);

double six_digits(double value);

}  // namespace vitrail::launcher
