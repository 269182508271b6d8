// When to step, evaluate, save and stop. All decisions are the same on all ranks: they follow from the step,
// or were agreed in the last step's exchange. Throws: Error with the step in its message; PeerFailure.
#pragma once

#include <chrono>
#include <optional>

#include "trainer/assembly.hpp"
#include "trainer/log.hpp"
#include "trainer/metrics.hpp"
#include "trainer/run_directory.hpp"
#include "trainer/stop_signal.hpp"
#include "trainer/train.hpp"

namespace vitrail::trainer {

class TrainLoop {
 public:
  // `owner`: of rank 0, null on the others. `trace`: what the communicator adds to; null without a step to
  // trace.
  TrainLoop(Assembly& run, TrainState state, const TrainRequest& request, const RunDirectory& directory,
            const RunOwner* owner, StepTrace* trace, Log& log, StopSignal& stop);

  ExitCode run();

 private:
  using Clock = std::chrono::steady_clock;

  ExitCode run_to_the_end();
  Error named(const Error& error) const;                   // with what we were doing
  bool due(const Duration& every, const char* key) const;  // at the present step, by counting
  bool evaluation_due() const;
  bool evaluate_now();  // false: interrupted
  void step();
  void compare_weights();  // of all ranks, when it is time
  void write_trace(Clock::time_point begin);
  void settle_damage();  // after a step that replaced damaged samples
  void save();
  Wishes own_wishes();
  void record(const StepResult& result, double seconds, const datasets::LoaderStats& data, double comm_wait);
  void say(const StepMetrics& metrics);

  Assembly& run_;
  TrainState state_;
  const TrainRequest& request_;
  const RunDirectory& directory_;
  const RunOwner* owner_;
  StepTrace* trace_;
  Log& log_;
  StopSignal& stop_;
  std::optional<MetricsFile> metrics_;  // rank 0
  std::string writer_;                  // rank 0's label: all ranks write into one folder
  std::string doing_ = "starting";      // for error messages
  Wishes agreed_;
  TrainState saved_state_;
  std::int64_t first_step_;
  Clock::time_point began_ = Clock::now();
  Clock::time_point saved_ = began_;
  Clock::time_point said_ = began_;
};

}  // namespace vitrail::trainer
