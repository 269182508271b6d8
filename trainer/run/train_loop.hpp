// When to step, evaluate, save and stop. All decisions are the same on all ranks: they follow from the step,
// or were agreed in the last step's exchange. Throws: Error with the step in its message; PeerFailure.
#pragma once

#include <chrono>
#include <optional>

#include "trainer/assembly.hpp"
#include "trainer/base/log.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/metrics.hpp"
#include "trainer/run/run_saver.hpp"
#include "trainer/run/stop_signal.hpp"
#include "trainer/run/train.hpp"
#include "trainer/watch/loss_guard.hpp"
#include "trainer/watch/slow_ranks.hpp"
#include "trainer/watch/watchdog.hpp"

namespace vitrail::trainer {

class TrainLoop {
 public:
  // Those who look on. `owner`: of rank 0, null on the others. `trace`: what the communicator adds to; null
  // without a step to trace.
  struct RunServices {
    const RunOwner* owner;
    StepTrace* trace;
    PhaseLog& phases;
    Watchdog& watchdog;
    Log& log;
    StopSignal& stop;
    LossGuard& guard;
  };

  // `gone_back`: how the run came to `state`, if by that.
  TrainLoop(Assembly& run, TrainState state, const std::optional<Rollback>& rollback,
            const TrainRequest& request, const RunDirectory& directory, const RunServices& services);

  std::optional<ExitCode> run();  // absent: the loss has diverged
  const TrainState& state() const { return state_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<ExitCode> run_to_the_end();
  bool due(const Duration& every, const char* key) const;  // after the present step, by counting
  bool evaluation_due() const;
  bool evaluate_now();                 // false: interrupted
  bool is_best(const Scores& result);  // so far; remembers it
  void step();
  void compare_weights();  // of all ranks, when it is time
  void write_trace(Clock::time_point begin);
  void settle_damage();  // after a step that replaced damaged samples
  StepSignals own_signals();
  bool time_is_up() const;  // of the job
  void name_slow_ranks(const std::vector<OwnWork>& work);
  void record(const StepResult& result, double seconds, const datasets::LoaderStats& data, double comm_wait);
  void append_metrics(const std::string& line);
  void say(const StepMetrics& metrics);

  Assembly& run_;
  TrainState state_;
  const TrainRequest& request_;
  const RunDirectory& directory_;
  const RunOwner* owner_;
  StepTrace* trace_;
  PhaseLog& phases_;
  Watchdog& watchdog_;
  Log& log_;
  StopSignal& stop_;
  std::optional<MetricsFile> metrics_;  // rank 0
  std::optional<RunSaver> saver_;
  LossGuard& guard_;
  SlowRanks slow_ranks_;
  std::vector<std::string> hosts_;  // by rank
  std::string doing_ = "starting";  // for error messages
  StepSignals agreed_;
  OwnWork work_;             // in the last step
  double step_seconds_ = 0;  // of the last step
  std::int64_t first_step_;
  Clock::time_point began_ = Clock::now();
  Clock::time_point said_ = began_;
};

}  // namespace vitrail::trainer
