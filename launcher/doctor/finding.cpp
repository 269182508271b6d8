#include "launcher/doctor/finding.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vitrail::launcher {

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::failed:
      return "failed";
    case Verdict::unknown:
      return "not known here";
  }
  return "";
}

Verdict worst_of(const Findings& findings) {
  for (const Verdict verdict : {Verdict::failed, Verdict::warning}) {
    if (std::ranges::find(findings, verdict, &Finding::verdict) != findings.end()) return verdict;
  }
  return Verdict::ok;
}

ExitCode status_of(const Findings& findings) {
  bool failed = false;
  for (const Finding& finding : findings) {
    if (finding.verdict != Verdict::failed) continue;
    if (!finding.may_pass) return ExitCode::refused;
    failed = true;
  }
  return failed ? ExitCode::io : ExitCode::done;
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kNamed = 4;
  std::vector<std::string> once;
  for (const std::string& name : names) {
    if (std::ranges::find(once, name) == once.end()) once.push_back(name);
  }
  if (once.size() <= kNamed + 1) return fmt::format("{}", fmt::join(once, ", "));
  return fmt::format("{} and {} more",
                     fmt::join(once.begin(), once.begin() + static_cast<std::ptrdiff_t>(kNamed), ", "),
                     once.size() - kNamed);
}

std::string bytes_text(double bytes) {
  constexpr std::array<std::pair<double, const char*>, 5> kUnits = {
      {{1e15, "PB"}, {1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}}};
  for (const auto& [size, unit] : kUnits) {
    if (bytes >= size) return fmt::format("{:.{}f} {}", bytes / size, bytes < 100 * size ? 1 : 0, unit);
  }
  return fmt::format("{:.0f} bytes", bytes);
}

std::string seconds_text(double seconds) {
  const double size = std::abs(seconds);
  if (size < 1e-3) return fmt::format("{:.3g} us", 1e6 * seconds);
  if (size < 1) return fmt::format("{:.3g} ms", 1e3 * seconds);
  if (size < 120) return fmt::format("{:.3g} s", seconds);
  if (size < 2 * 3600) return fmt::format("{:.3g} min", seconds / 60);
  return fmt::format("{:.4g} h", seconds / 3600);
}

}  // namespace vitrail::launcher
