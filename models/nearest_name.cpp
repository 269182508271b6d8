#include "models/nearest_name.hpp"

#include <algorithm>
#include <numeric>

namespace vitrail::models {
namespace {

// Levenshtein's distance, one row of the table at a time.
std::size_t edits(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
  const auto nearer = [&](const std::string& a, const std::string& b) {
    return edits(name, a) < edits(name, b);
  };
  const auto nearest = std::min_element(known.begin(), known.end(), nearer);
  return nearest == known.end() ? std::string() : *nearest;
}

}  // namespace vitrail::models
