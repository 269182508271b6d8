#include "trainer/watchdog.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "trainer/thread_stacks.hpp"

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
    case Phase::update:
    case Phase::record:
      return true;
    default:
      return false;
  }
}

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// Zero: not known yet.
Clock::duration median(const std::deque<Clock::duration>& steps) {
  if (steps.size() < kFewest) return Clock::duration::zero();
  std::vector<Clock::duration> values(steps.begin(), steps.end());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Watchdog::Watchdog(const PhaseLog& phases, const WatchdogConfig& config, std::string self, Bite bite)
    : phases_(phases), config_(config), self_(std::move(self)), bite_(std::move(bite)) {
  if (!bite_) return;
  prepare_thread_stacks();
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

Watchdog::~Watchdog() = default;

void Watchdog::step_took(Clock::duration time) {
  const std::lock_guard lock(mutex_);
  steps_.push_back(time);
  if (steps_.size() > kRemembered) steps_.pop_front();
}

std::chrono::milliseconds Watchdog::longest_wait() const {
  const std::lock_guard lock(mutex_);
  const auto typical = median(steps_);
  if (config_.step.count == 0 || typical == Clock::duration::zero()) return {};
  const Clock::duration own =
      std::max<Clock::duration>(std::chrono::seconds(config_.step.count), kTimesMedian * typical);
  const Clock::duration more = std::max<Clock::duration>(std::chrono::seconds(5), 2 * typical);
  return std::chrono::duration_cast<std::chrono::milliseconds>(own + more);
}

Clock::duration Watchdog::limit_of(Phase phase) const {
  const std::chrono::seconds step(config_.step.count), other(config_.other.count);
  if (phase == Phase::none || phase == Phase::reduce) return {};
  if (!is_of_a_step(phase)) return other;
  const std::lock_guard lock(mutex_);
  const auto typical = median(steps_);
  if (typical == Clock::duration::zero()) return other;
  return step.count() == 0 ? Clock::duration::zero()
                           : std::max<Clock::duration>(step, kTimesMedian * typical);
}

std::string Watchdog::overdue(PhaseLog::Track track) const {
  if (track == PhaseLog::Track::training && phases_.waits()) return "";
  const PhaseLog::Stay stay = phases_.stay(track);
  const auto limit = limit_of(stay.phase);
  const auto stayed = Clock::now() - stay.since;
  if (limit == Clock::duration::zero() || stayed <= limit) return "";
  // slurm/requeue.sh reads it.
  return fmt::format("{}: watchdog: {:.0f} s in phase `{}` of step {}, longer than the limit of {:.0f} s",
                     self_, seconds(stayed), name_of(stay.phase), stay.step, seconds(limit));
}

void Watchdog::watch(const std::stop_token& stop) {
  constexpr std::chrono::milliseconds kPoll{250};
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, stop, kPoll, [&] { return stop.stop_requested(); })) {
    for (const auto track : {PhaseLog::Track::training, PhaseLog::Track::writing}) {
      const std::string why = overdue(track);
      if (why.empty()) continue;
      show_thread_stacks(why);
      bite_(why);
      return;
    }
  }
}

}  // namespace vitrail::trainer
