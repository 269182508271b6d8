// What surrounds a run on this rank while it trains: who asked for it, where it lies, who watches.
#pragma once

#include <string>
#include <vector>

#include "trainer/base/log.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/run/stop_signal.hpp"
#include "trainer/run/train.hpp"
#include "trainer/watch/loss_guard.hpp"
#include "trainer/watch/phase.hpp"
#include "trainer/watch/step_trace.hpp"
#include "trainer/watch/watchdog.hpp"

namespace vitrail::trainer {

struct RunServices {
  const TrainRequest& request;
  const RunDirectory& directory;
  const RunOwner* owner;  // of rank 0; null on the others
  StepTrace* trace;       // what the communicator adds to; null without a step to trace
  PhaseLog& phases;
  Watchdog& watchdog;
  Log& log;
  StopSignal& stop;
  LossGuard& guard;
  std::vector<std::string> hosts;  // by rank
  std::string writer;              // rank 0's attempt: all ranks write into the folder that it names
};

}  // namespace vitrail::trainer
