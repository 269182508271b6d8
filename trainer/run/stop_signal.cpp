#include "trainer/run/stop_signal.hpp"

#include <ctime>

namespace vitrail::trainer {

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGTERM);
  struct sigaction hangup {};
  ::sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) sigaddset(&signals, SIGHUP);
  return signals;
}

StopSignal::StopSignal() : watched_(stop_signals()) { pthread_sigmask(SIG_BLOCK, &watched_, &before_); }

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
