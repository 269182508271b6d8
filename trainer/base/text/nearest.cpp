#include "trainer/base/text/nearest.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace vitrail {

// Optimal string alignment distance, three rows of its table at a time.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before = previous;
    previous = row;
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, previous[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
  const bool has_section = name.find('.') != std::string::npos;
  std::string nearest;
  constexpr std::size_t kFar = std::numeric_limits<std::size_t>::max();
  std::size_t least = kFar;
  for (const std::string& candidate : known) {
    const std::size_t dot = candidate.find('.');
    const auto distance_to = [&](const std::string& other) {
      const std::size_t distance = edit_distance(name, other);
      return 3 * distance < std::max(name.size(), other.size()) ? distance : kFar;
    };
    std::size_t distance = distance_to(candidate);
    if (!has_section && dot != std::string::npos)
      distance = std::min(distance, distance_to(candidate.substr(dot + 1)));
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace vitrail
