// A failure to inject, as `run.fault` writes it: PHASE:RANK:STEP:KIND, "backward:1:12:kill". Steps count
// from 1. It happens once in the life of a process. Words: tests/faults/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vitrail::trainer {

enum class Phase : std::uint8_t {
  none,  // idle
  start,
  load,
  data,
  forward,
  backward,
  reduce,
  update,
  record,
  evaluate,
  copy,  // of the state, for a checkpoint
  write,
  manifest,
  rename,
  prune
};

enum class FaultKind : std::uint8_t {
  kill,   // SIGKILL
  stop,   // SIGSTOP
  ask,    // SIGUSR1: to save and stop
  hang,   // never returns
  slow,   // from then on every forward pass takes longer
  nan,    // a gradient that is not a number
  spike,  // a loss that is a thousand times as large
  flip    // a bit of a weight
};

struct FaultInjection {
  Phase phase = Phase::none;
  int rank = 0;
  std::int64_t step = 0;
  FaultKind kind = FaultKind::kill;

  bool operator==(const FaultInjection&) const = default;
};

const char* name_of(Phase phase);
std::optional<FaultInjection> parse_fault(const std::string& text);  // absent: malformed

}  // namespace vitrail::trainer
