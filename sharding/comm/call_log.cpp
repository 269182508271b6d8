#include "sharding/comm/call_log.hpp"

#include <algorithm>

namespace vitrail::sharding {

void CallLog::around(const Call& call, const std::function<void()>& forward) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++calls_;
    ring_[number % kKept] = {number, call.kind, call.bytes, Clock::now(), {}, call.returns_early};
  }
  forward();
  const std::lock_guard lock(mutex_);
  ring_[number % kKept].end = Clock::now();
}

std::vector<CallLog::Entry> CallLog::last(std::size_t count) const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t kept = std::min<std::uint64_t>({count, kKept, calls_});
  std::vector<Entry> entries;
  for (std::uint64_t n = calls_ - kept + 1; n <= calls_; ++n) entries.push_back(ring_[n % kKept]);
  return entries;
}

std::string CallLog::describe_last(std::size_t count) const {
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  std::string text;
  for (const Entry& e : last(count)) {
    const bool done = e.end >= e.begin;
    const char* const ended = e.returns_early ? "given to the GPU in" : "done in";
    text += fmt::format("{}#{} {} {:.1f} KiB, {} {:.3f} s", text.empty() ? "" : "\n", e.number,
                        name_of(e.kind), static_cast<double>(e.bytes) / 1024, done ? ended : "not done after",
                        seconds((done ? e.end : Clock::now()) - e.begin));
  }
  return text;
}

}  // namespace vitrail::sharding
