#include "launcher/doctor/listing.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTableWidth = 118, kVerdictWidth = 14;

// Lines of at most so many letters after `indent` blanks; the first one begins where the cursor is.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::istringstream words(text);
  std::string lines;
  std::size_t used = 0;
  for (std::string word; words >> word;) {
    if (used > 0 && indent + used + 1 + word.size() > kTableWidth) {
      lines += "\n" + std::string(indent, ' ');
      used = 0;
    }
    lines += (used > 0 ? " " : "") + word;
    used += word.size() + (used > 0 ? 1 : 0);
  }
  return lines + "\n";
}

std::string counts(const Findings& findings) {
  std::string text;
  for (const Verdict verdict : {Verdict::ok, Verdict::warning, Verdict::failed, Verdict::unknown}) {
    const auto count = std::ranges::count(findings, verdict, &Finding::verdict);
    if (count == 0) continue;
    const bool several = verdict == Verdict::warning && count > 1;
    text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", count, name_of(verdict), several ? "s" : "");
  }
  return text.empty() ? "nothing was looked at" : text;
}

}  // namespace

std::string examined_text(const Examined& examined) {
  std::size_t widest = 0;
  for (const Finding& finding : examined.findings) widest = std::max(widest, finding.check.size());
  std::string text = fmt::format("{}: {} rank{} on {}\n", examined.what, examined.ranks,
                                 examined.ranks == 1 ? "" : "s", some_of(examined.nodes));
  const std::size_t indent = 2 + widest + 2 + kVerdictWidth + 2;
  std::string room;
  for (const Finding& finding : examined.findings) {
    if (finding.room != room) text += fmt::format("\n{}\n", finding.room);
    room = finding.room;
    text +=
        fmt::format("  {:<{}}  {:<{}}  ", finding.check, widest, name_of(finding.verdict), kVerdictWidth) +
        wrapped(finding.figure, indent);
    if (!finding.remedy.empty()) text += std::string(indent, ' ') + wrapped("-> " + finding.remedy, indent);
  }
  return text + "\n" + counts(examined.findings) + "\n";
}

std::string examined_json(const Examined& examined) {
  Json checks = Json::array();
  for (const Finding& finding : examined.findings) {
    checks.push_back({{"room", finding.room},
                      {"check", finding.check},
                      {"verdict", name_of(finding.verdict)},
                      {"figure", finding.figure},
                      {"remedy", finding.remedy},
                      {"numbers", finding.numbers}});
  }
  const Json json = {{"what", examined.what},
                     {"ranks", examined.ranks},
                     {"nodes", examined.nodes},
                     {"verdict", name_of(worst_of(examined.findings))},
                     {"checks", checks}};
  return json.dump() + "\n";
}

}  // namespace vitrail::launcher
