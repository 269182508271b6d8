#include "launcher/options/option.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace vitrail::launcher {

bool Bounds::contain(double value) const {
  if (low && (low_excluded ? value <= *low : value < *low)) return false;
  if (high && (high_excluded ? value >= *high : value > *high)) return false;
  return true;
}

std::string Bounds::text() const {
  if (low && high && !low_excluded && !high_excluded) return fmt::format("{} to {}", *low, *high);
  std::string text;
  if (low) text = fmt::format("{} {}", low_excluded ? ">" : ">=", *low);
  if (high) text += fmt::format("{}{} {}", low ? ", " : "", high_excluded ? "<" : "<=", *high);
  return text;
}

Bounds from_to(double low, double high) { return {.low = low, .high = high}; }
Bounds from_below(double low, double high) { return {.low = low, .high = high, .high_excluded = true}; }
Bounds above_to(double low, double high) { return {.low = low, .high = high, .low_excluded = true}; }
Bounds at_least(double low) { return {.low = low}; }
Bounds above(double low) { return {.low = low, .low_excluded = true}; }

bool Option::used_by(Command command) const {
  return std::find(about.commands.begin(), about.commands.end(), command) != about.commands.end();
}

std::string Option::limits() const {
  std::string text = about.bounds.text();
  if (!about.unit.empty()) text += (text.empty() ? "" : " ") + about.unit;
  if (!rule.empty()) text += (text.empty() ? "" : ", ") + rule;
  return text;
}

std::string Option::expected() const {
  const std::string limit = limits();
  return form + (form.empty() || limit.empty() ? "" : ", ") + limit;
}

std::string Option::refusal(const std::string& text) const {
  const std::string reason = complaint ? complaint(text) : "";
  return fmt::format("{}{}expected {}", reason, reason.empty() ? "" : ": ", expected());
}

const Condition* Option::unmet(const CommandLine& line) const {
  const auto failing = std::find_if(about.when.begin(), about.when.end(),
                                    [&](const Condition& condition) { return !condition.holds(line); });
  return failing == about.when.end() ? nullptr : &*failing;
}

}  // namespace vitrail::launcher
