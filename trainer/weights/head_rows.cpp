#include "trainer/weights/head_rows.hpp"

#include <algorithm>
#include <map>

#include <fmt/ranges.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kTwice = -1;

// A list of a thousand names would hide what to do about it.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  const std::size_t shown = std::min(kShown, names.size());
  const std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  return shown == names.size() ? text : fmt::format("{} and {} more", text, names.size() - shown);
}

}  // namespace

std::vector<std::int64_t> head_rows(const std::vector<std::string>& known,
                                    const std::vector<std::string>& wanted, const std::string& where) {
  std::map<std::string, std::int64_t> row_of;
  for (std::size_t row = 0; row < known.size(); ++row) {
    const auto [place, fresh] = row_of.emplace(known[row], static_cast<std::int64_t>(row));
    if (!fresh) place->second = kTwice;
  }
  std::vector<std::int64_t> rows;
  std::vector<std::string> unknown, ambiguous;
  for (const std::string& id : wanted) {
    const auto found = row_of.find(id);
    if (found == row_of.end()) {
      unknown.push_back(id);
    } else if (found->second == kTwice) {
      ambiguous.push_back(id);
    } else {
      rows.push_back(found->second);
    }
  }
  if (unknown.empty() && ambiguous.empty()) return rows;
  throw Error(ExitCode::refused,
              fmt::format("finetune.head = by_name: {} was trained for {} classes {}", where, known.size(),
                          unknown.empty() ? fmt::format("of which several are called {}", some_of(ambiguous))
                                          : fmt::format("without {}", some_of(unknown))),
              "leave these classes out of the training set by data.classes, or set finetune.head = fresh");
}

}  // namespace vitrail::trainer
