#include "trainer/watch/watchdog.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "trainer/base/median.hpp"
#include "trainer/watch/thread_stacks.hpp"

namespace vitrail::trainer {
namespace {

using Clock = Watchdog::Clock;

constexpr std::size_t kRemembered = 51;  // steps, for their median
constexpr std::size_t kFewest = 5;       // before that: all of them may be the long first ones
constexpr int kTimesMedian = 10;

bool is_of_a_step(Phase phase) {
  switch (phase) {
    case Phase::data:
    case Phase::forward:
    case Phase::backward:
    case Phase::reduce:
    case Phase::update:
    case Phase::record:
      return true;
    default:
      return false;
  }
}

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Watchdog::Watchdog(const PhaseLog& phases, const WatchdogConfig& config, std::string self,
                   OnTimeout on_timeout)
    : phases_(phases), config_(config), self_(std::move(self)), on_timeout_(std::move(on_timeout)) {
  if (!on_timeout_) return;
  prepare_thread_stacks();
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

void Watchdog::step_took(Clock::duration time) {
  const std::lock_guard lock(mutex_);
  steps_.push_back(time);
  if (steps_.size() > kRemembered) steps_.pop_front();
}

Clock::duration Watchdog::typical_step() const {
  const std::lock_guard lock(mutex_);
  if (steps_.size() < kFewest) return Clock::duration::zero();
  return upper_median(std::vector<Clock::duration>(steps_.begin(), steps_.end()));
}

Clock::duration Watchdog::step_limit(Clock::duration typical) const {
  return std::max<Clock::duration>(std::chrono::seconds(config_.step.count), kTimesMedian * typical);
}

std::chrono::milliseconds Watchdog::longest_wait() const {
  const auto typical = typical_step();
  if (config_.step.count == 0 || typical == Clock::duration::zero()) return {};
  const Clock::duration more = std::max<Clock::duration>(std::chrono::seconds(5), 2 * typical);
  return std::chrono::duration_cast<std::chrono::milliseconds>(step_limit(typical) + more);
}

Clock::duration Watchdog::limit_of(Phase phase) const {
  if (phase == Phase::none) return {};
  const auto typical = is_of_a_step(phase) ? typical_step() : Clock::duration::zero();
  if (typical == Clock::duration::zero()) return std::chrono::seconds(config_.other.count);
  return config_.step.count == 0 ? Clock::duration::zero() : step_limit(typical);
}

std::string Watchdog::overdue(PhaseLog::Track track, Clock::time_point resumed) const {
  if (track == PhaseLog::Track::training && phases_.waits()) return "";
  const PhaseLog::Stay stay = phases_.stay(track);
  const auto limit = limit_of(stay.phase);
  const auto stayed = Clock::now() - std::max(stay.since, resumed);
  if (limit == Clock::duration::zero() || stayed <= limit) return "";
  // slurm/requeue.sh reads it.
  return fmt::format("{}: watchdog: {:.0f} s in phase `{}` of step {}, longer than the limit of {:.0f} s",
                     self_, seconds(stayed), name_of(stay.phase), stay.step, seconds(limit));
}

void Watchdog::watch(const std::stop_token& stop) {
  constexpr std::chrono::milliseconds kPoll{250};
  constexpr std::chrono::seconds kPause{5};  // without a poll: the process was suspended, by Slurm or a user
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  auto polled = Clock::now(), resumed = polled;
  while (!wake.wait_for(lock, stop, kPoll, [&] { return stop.stop_requested(); })) {
    const auto now = Clock::now();
    if (now - polled > kPause) resumed = now;
    polled = now;
    for (const auto track : {PhaseLog::Track::training, PhaseLog::Track::writing}) {
      const std::string why = overdue(track, resumed);
      if (why.empty()) continue;
      show_thread_stacks(why);
      on_timeout_(why);
      return;
    }
  }
}

}  // namespace vitrail::trainer
