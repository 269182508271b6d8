#include "trainer/stop_signal.hpp"

#include <ctime>

namespace vitrail::trainer {

StopSignal::StopSignal() {
  sigemptyset(&watched_);
  sigaddset(&watched_, SIGUSR1);
  sigaddset(&watched_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &watched_, &before_);
}

StopSignal::~StopSignal() {
  received();  // a signal that came too late must not kill what runs after us
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool StopSignal::received() {
  const timespec at_once{};
  while (sigtimedwait(&watched_, nullptr, &at_once) > 0) received_ = true;
  return received_;
}

}  // namespace vitrail::trainer
