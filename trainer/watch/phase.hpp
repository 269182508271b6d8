// What a rank is doing just now: told by the threads that do it, read by the watchdog; and the place where
// faults are injected.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "trainer/settings/fault_injection.hpp"

namespace vitrail::trainer {

class PhaseLog {
 public:
  using Clock = std::chrono::steady_clock;
  // The threads that have phases: the one that trains and the one that writes checkpoints.
  enum class Track : std::uint8_t { training, writing };
  struct Stay {
    Phase phase = Phase::none;
    std::int64_t step = 0;
    Clock::time_point since;
  };

  PhaseLog(int rank, std::optional<FaultInjection> fault) : rank_(rank), fault_(fault) {}

  // From now on. A fault that is to be injected here happens here.
  void enter(Phase phase, std::int64_t step, Track track = Track::training);
  Stay stay(Track track) const;
  // That the training thread has spent in each phase before the present one; of that thread. By Phase.
  using Seconds = std::array<double, static_cast<std::size_t>(Phase::prune) + 1>;
  const Seconds& seconds() const { return seconds_; }
  // While it lives, the training thread waits for other ranks. The phase then begins anew.
  class Wait {
   public:
    explicit Wait(PhaseLog& log) : log_(log) { log_.waits_ = true; }
    ~Wait() {
      log_.end_stay();
      log_.places_[0].since = Clock::now();
      log_.waits_ = false;
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    PhaseLog& log_;
  };
  bool waits() const { return waits_; }

  // Asked by the code that has the values: whether it shall corrupt them now. Once.
  bool injects(FaultKind kind, std::int64_t step);

 private:
  struct Place {
    std::atomic<Phase> phase = Phase::none;
    std::atomic<std::int64_t> step = 0;
    std::atomic<Clock::time_point> since = Clock::now();
  };
  void end_stay();  // of the training thread

  const int rank_;
  const std::optional<FaultInjection> fault_;
  std::atomic<bool> struck_ = false;
  std::atomic<bool> waits_ = false;
  std::array<Place, 2> places_;
  Seconds seconds_{};
};

}  // namespace vitrail::trainer
