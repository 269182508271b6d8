// A length of training with its unit, as configs write it: 5ep, 1000st, 30s, 10min, 2h. 0 of any unit: never.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vitrail {

struct Duration {
  enum class Unit { steps, epochs, seconds };
  std::int64_t count = 0;
  Unit unit = Unit::steps;

  bool operator==(const Duration&) const = default;
};

std::optional<Duration> parse_duration(const std::string& text);
std::string format(const Duration& duration);  // parses back to the same value

}  // namespace vitrail
