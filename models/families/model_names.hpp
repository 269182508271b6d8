// The names of a model: ours, and timm's for the same network.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace vitrail::models {

// timm's "vit_base_patch16_224.dino" without what tells one set of weights from others of that network.
constexpr std::string_view without_tag(std::string_view name) { return name.substr(0, name.find('.')); }

struct ModelNames {
  std::string_view name;
  std::array<std::string_view, 4> aliases = {};  // timm's; the rest empty
  bool is_timms = false;                         // timm calls it by our name, too

  bool include(std::string_view asked) const {
    const std::string_view plain = without_tag(asked);
    return !plain.empty() && (asked == name || (is_timms && plain == name) ||
                              std::ranges::find(aliases, plain) != aliases.end());
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
