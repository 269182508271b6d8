// A whole training run on this rank: assemble, restore, step, evaluate, save, until the last step or until
// asked to stop. Every rank calls it with the same request. Throws: Error with the step in its message;
// PeerFailure.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "sharding/comm/communicator.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/log.hpp"
#include "trainer/checkpoint/run_owner.hpp"
#include "trainer/device/gpu_promise.hpp"
#include "trainer/run/program.hpp"
#include "trainer/run/stop_signal.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

struct TrainRequest {
  Config config;
  Attempt attempt;
  std::optional<std::chrono::steady_clock::time_point> job_ends;  // by its time limit; absent: unknown
  // Called by the watchdog, from its thread, to end the process.
  std::function<void(const std::string& why)> hung = {};
  std::string launch = {};    // which `vitrail launch` started this rank; empty: none
  bool length_named = false;  // run.steps or run.epochs was given by name: a finished run may be extended
  ProgramFacts program = {};  // that computes here
  GpuPromise gpus = {};
};

// done, or saved when a stop was asked for.
ExitCode train(const TrainRequest& request, sharding::Communicator& communicator, Log& log, StopSignal& stop);

}  // namespace vitrail::trainer
