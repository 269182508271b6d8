// SIGUSR1 and SIGTERM as a question that the program asks, not as an interruption: "please save and stop".
// Blocks both signals for the calling thread and all threads started later, so it is made before any of them.
#pragma once

#include <csignal>

namespace vitrail::trainer {

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
