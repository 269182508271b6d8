#include "trainer/weights/weight_table.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

namespace vitrail::trainer {

using models::Fit;
using models::format_shape;

namespace {

constexpr std::size_t kColumns = 4;
using Row = std::array<std::string, kColumns>;

constexpr const char* kNowhere = "-";

std::string what_became(Fit fit) {
  switch (fit) {
    case Fit::as_stored:
      return "as it is";
    case Fit::resized:
      return "interpolated";
    case Fit::selected:
      return "rows by name";
    case Fit::fresh:
      break;
  }
  return "dropped: another number of classes, begins anew";
}

std::vector<std::string> aligned(const std::vector<Row>& rows) {
  std::array<std::size_t, kColumns> width{};
  for (const Row& row : rows) {
    for (std::size_t c = 0; c + 1 < kColumns; ++c) width[c] = std::max(width[c], row[c].size());
  }
  std::vector<std::string> lines;
  for (const auto& [tensor, stored, here, what] : rows) {
    lines.push_back(fmt::format("  {:<{}}  {:<{}}  {:<{}}  {}", tensor, width[0], stored, width[1], here,
                                width[2], what));
  }
  return lines;
}

}  // namespace

std::vector<std::string> weight_table(const std::map<std::string, models::StoredTensor>& stored,
                                      const std::vector<models::ParameterSpec>& parameters,
                                      const std::vector<Fit>& fit, TableRows rows) {
  std::vector<Row> table;
  std::set<std::string> used;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const std::string& name = parameters[p].name;
    used.insert(name);
    if (rows != TableRows::all && fit[p] == Fit::as_stored) continue;
    if (rows == TableRows::changed_body && parameters[p].head) continue;
    const auto found = stored.find(name);
    const bool absent = found == stored.end();
    table.push_back({name, absent ? kNowhere : format_shape(found->second.shape),
                     format_shape(parameters[p].shape),
                     absent ? "not there, begins anew" : what_became(fit[p])});
  }
  for (const auto& [name, tensor] : stored) {
    if (rows == TableRows::all && !used.contains(name))
      table.push_back(Row{name, format_shape(tensor.shape), kNowhere, "left out"});
  }
  if (table.empty()) return {};
  table.insert(table.begin(), Row{"tensor", "stored", "here", ""});
  std::vector<std::string> lines = aligned(table);
  lines.front().erase(lines.front().find_last_not_of(' ') + 1);
  return lines;
}

}  // namespace vitrail::trainer
