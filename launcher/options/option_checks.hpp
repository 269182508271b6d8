// What several parts of the option table ask of a value or of other settings.
#pragma once

#include "launcher/options/option.hpp"

namespace vitrail::launcher {

inline bool is_time(const Duration& duration) { return duration.unit == Duration::Unit::seconds; }

inline Condition with_validation() {
  return {"data.val", "data.val", [](const CommandLine& line) { return !line.config.data.val.empty(); }};
}

}  // namespace vitrail::launcher
