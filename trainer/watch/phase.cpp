#include "trainer/watch/phase.hpp"

#include <csignal>
#include <thread>

#include <unistd.h>

namespace vitrail::trainer {
namespace {

constexpr std::chrono::milliseconds kSlowness{100};  // an injected slow rank's, in every forward pass

[[noreturn]] void hang() {
  for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
}

}  // namespace

void PhaseLog::enter(Phase phase, std::int64_t step, Track track) {
  Place& place = places_.at(static_cast<std::size_t>(track));
  if (track == Track::training) end_stay();
  place.phase = phase;
  place.step = step;
  place.since = Clock::now();
  if (!fault_ || fault_->rank != rank_) return;
  const bool slow = fault_->kind == FaultKind::slow;
  if (slow && phase == Phase::forward && step >= fault_->step) std::this_thread::sleep_for(kSlowness);
  if (phase != fault_->phase || step != fault_->step) return;
  if (fault_->kind == FaultKind::hang) hang();
  if (fault_->kind == FaultKind::kill) ::kill(::getpid(), SIGKILL);
  if (fault_->kind == FaultKind::stop && !struck_.exchange(true)) ::kill(::getpid(), SIGSTOP);
  if (fault_->kind == FaultKind::ask && !struck_.exchange(true)) std::raise(SIGUSR1);
}

void PhaseLog::end_stay() {
  const Place& place = places_.front();
  seconds_.at(static_cast<std::size_t>(place.phase.load())) +=
      std::chrono::duration<double>(Clock::now() - place.since.load()).count();
}

bool PhaseLog::injects(FaultKind kind, std::int64_t step) {
  if (!fault_ || fault_->rank != rank_ || fault_->kind != kind || fault_->step != step) return false;
  return !struck_.exchange(true);
}

PhaseLog::Stay PhaseLog::stay(Track track) const {
  const Place& place = places_.at(static_cast<std::size_t>(track));
  return {place.phase, place.step, place.since};
}

}  // namespace vitrail::trainer
