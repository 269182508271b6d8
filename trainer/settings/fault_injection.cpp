#include "trainer/settings/fault_injection.hpp"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "trainer/base/text/number.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::array<const char*, 15> kPhases = {"none",     "start",  "load",     "data",   "forward",
                                                 "backward", "reduce", "update",   "record", "evaluate",
                                                 "copy",     "write",  "manifest", "rename", "prune"};
constexpr std::array<const char*, 8> kKinds = {"kill", "stop", "ask", "hang", "slow", "nan", "spike", "flip"};

template <class Words>
std::optional<std::size_t> index_of(const Words& words, std::string_view word) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (word == words[i]) return i;
  }
  return std::nullopt;
}

std::vector<std::string_view> fields_of(std::string_view text) {
  std::vector<std::string_view> fields;
  for (std::size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':')) {
    fields.push_back(text.substr(0, colon));
    text.remove_prefix(colon + 1);
  }
  fields.push_back(text);
  return fields;
}

}  // namespace

const char* name_of(Phase phase) { return kPhases.at(static_cast<std::size_t>(phase)); }

std::optional<FaultInjection> parse_fault(const std::string& text) {
  const auto fields = fields_of(text);
  if (fields.size() != 4) return std::nullopt;
  const auto phase = index_of(kPhases, fields[0]);
  const auto rank = whole_number<int>(fields[1]);
  const auto step = whole_number<std::int64_t>(fields[2]);
  const auto kind = index_of(kKinds, fields[3]);
  if (!phase || *phase == 0 || !rank || !step || !kind) return std::nullopt;
  return FaultInjection{static_cast<Phase>(*phase), *rank, *step, static_cast<FaultKind>(*kind)};
}

}  // namespace vitrail::trainer
