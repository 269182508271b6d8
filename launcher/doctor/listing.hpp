// What `doctor` and `launch --check` print: one table for people, or one JSON document {"what", "ranks",
// "nodes", "verdict", "checks": [{"room", "check", "verdict", "figure", "remedy", "numbers"}]}.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/doctor/finding.hpp"

namespace vitrail::launcher {

struct Examined {
  std::string what;  // "vitrail doctor"
  std::int64_t ranks = 1;
  std::vector<std::string> nodes;
  Findings findings;
};

std::string examined_text(const Examined& examined);
std::string examined_json(const Examined& examined);

}  // namespace vitrail::launcher
