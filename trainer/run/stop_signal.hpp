// SIGUSR1, SIGTERM and SIGHUP as a question that the program asks, not as an interruption: "please save and
// stop". Blocks these signals for the calling thread and all threads started later, so it is made before any
// of them.
#pragma once

#include <csignal>

namespace vitrail::trainer {

// What means "please save and stop". Not SIGHUP where it is ignored, as under nohup: held back, it would come
// all the same.
sigset_t stop_signals();

class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  bool received();  // true from the first signal on

 private:
  sigset_t watched_{};
  sigset_t before_{};
  bool received_ = false;
};

}  // namespace vitrail::trainer
