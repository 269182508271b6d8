// When to step, evaluate, save and stop. All decisions are the same on all ranks: they follow from the step,
// or were agreed in the last step's exchange. Throws: Error with the step in its message; PeerFailure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "trainer/assembly.hpp"
#include "trainer/device/gpu_meter.hpp"
#include "trainer/run/deadline.hpp"
#include "trainer/run/metrics_logger.hpp"
#include "trainer/run/run_saver.hpp"
#include "trainer/run/run_services.hpp"
#include "trainer/watch/operator_trace.hpp"
#include "trainer/watch/slow_ranks.hpp"

namespace vitrail::trainer {

class TrainLoop {
 public:
  // `metrics`: of rank 0, null on the others.
  TrainLoop(Assembly& run, TrainState state, const RunServices& services, MetricsLogger* metrics);

  std::optional<ExitCode> run();  // absent: the loss has diverged
  const TrainState& state() const { return state_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<ExitCode> run_to_the_end();
  bool asked_already();  // collective
  ExitCode at_end(const char* words);
  bool due(const Duration& every, const char* key) const;  // after the present step, by counting
  bool evaluation_due() const;
  bool evaluate_now();                 // false: interrupted
  bool is_best(const Scores& result);  // so far; remembers it
  void step();
  struct StepCosts {
    double seconds = 0, comm_wait = 0;
    datasets::LoaderStats data;
    PhaseLog::Seconds phases;
  };
  void record(const StepResult& result, const StepCosts& costs);
  void compare_weights();  // of all ranks, when it is time
  // Of log.trace_step and those after it. Collective.
  void begin_trace();
  void write_trace();
  bool traces_from(std::int64_t step) const;
  bool traces_to(std::int64_t step) const;
  void settle_damage();  // after a step that replaced damaged samples
  void name_slow_ranks(const std::vector<OwnWork>& work);
  StepSignals own_signals();
  bool wants_to_stop();

  Assembly& run_;
  TrainState state_;
  const RunServices& services_;
  MetricsLogger* const metrics_;
  const Deadline deadline_;
  RunSaver saver_;
  SlowRanks slow_ranks_;
  std::string doing_ = "starting";  // for error messages
  StepSignals agreed_;
  OwnWork work_;                                  // in the last step
  std::optional<Clock::time_point> trace_begin_;  // absent: no trace is under way
  std::optional<OperatorTrace> operators_;
  std::optional<GpuMeter> gpu_meter_;  // of rank 0's
  double step_seconds_ = 0;            // of the last step
};

}  // namespace vitrail::trainer
