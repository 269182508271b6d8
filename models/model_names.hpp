// The names of a model: ours, and timm's for the same network.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace vitrail::models {

struct ModelNames {
  std::string_view name;
  std::array<std::string_view, 4> aliases = {};  // the rest empty

  bool include(std::string_view asked) const {
    return !asked.empty() && (asked == name || std::ranges::find(aliases, asked) != aliases.end());
  }
};

// Of tables whose rows have a member `names`.
template <class Table>
std::vector<ModelNames> names_of(const Table& table) {
  std::vector<ModelNames> all;
  for (const auto& row : table) all.push_back(row.names);
  return all;
}

// The row of that name, which must be one of the table's.
template <class Table>
const auto& row_named(const Table& table, std::string_view asked) {
  return *std::ranges::find_if(table, [&](const auto& row) { return row.names.include(asked); });
}

}  // namespace vitrail::models
