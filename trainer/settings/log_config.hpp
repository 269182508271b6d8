// What a run tells of itself while it goes on, beside its metrics.
#pragma once

#include <cstdint>

#include "trainer/base/text/duration.hpp"

namespace vitrail::trainer {

struct LogConfig {
  Duration every{10, Duration::Unit::seconds};  // the console line
  std::int64_t trace_step = 0;                  // its course goes to a trace file; 0: no step's
  std::int64_t trace_steps = 1;                 // so many from it on
  bool trace_operators = false;                 // with what LibTorch's profiler tells of them
};

}  // namespace vitrail::trainer
