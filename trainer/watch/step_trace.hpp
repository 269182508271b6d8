// The course of steps on this rank, for chrome://tracing or Perfetto: what was computed, what was said to
// other ranks meanwhile, and where one waited for the other. Spans may come from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sharding/comm/intercepted_communicator.hpp"

namespace vitrail::trainer {

// A row of a rank's picture. Threads of the loader, those that run LibTorch's operators, and streams of a GPU
// are numbered.
struct TraceTrack {
  enum class Kind { computation, communication, steps, worker, operators, stream };
  Kind kind = Kind::computation;
  std::int64_t number = 0;
  auto operator<=>(const TraceTrack&) const = default;
};

class StepTrace {
 public:
  using Clock = std::chrono::steady_clock;

  // Measures its own life; without a trace, nothing.
  class Span {
   public:
    Span(StepTrace* trace, std::string name, TraceTrack track = {})
        : trace_(trace), name_(std::move(name)), track_(track) {}
    ~Span() {
      if (trace_ != nullptr) trace_->add(name_, track_, begin_, Clock::now());
    }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    StepTrace* trace_;
    std::string name_;
    TraceTrack track_;
    Clock::time_point begin_ = Clock::now();
  };

  // `call`: of a collective, its number, the same on all ranks.
  void add(const std::string& name, TraceTrack track, Clock::time_point begin, Clock::time_point end,
           std::optional<std::uint64_t> call = {});
  // Trace events, as a JSON list, of what ended after `begin`; times count from there, pid is the rank.
  std::string events(int rank, const std::string& host, Clock::time_point begin) const;

 private:
  static constexpr std::size_t kKept = 100'000;  // more than some steps and what was under way before them
  struct Event {
    std::string name;
    TraceTrack track;
    Clock::time_point begin, end;
    std::optional<std::uint64_t> call;
  };
  mutable std::mutex mutex_;
  std::deque<Event> events_;  // the last kKept
};

// One file of all ranks' events, each on a line, with arrows from the rank that came last to a call of all
// to the others that waited for it.
std::string trace_file(const std::vector<std::string>& events_by_rank);

// A communicator whose calls become spans.
class TracedCommunicator final : public sharding::InterceptedCommunicator {
 public:
  TracedCommunicator(sharding::Communicator& inner, StepTrace& trace)
      : InterceptedCommunicator(inner), trace_(trace) {}

 protected:
  void around(const sharding::Call& call, const std::function<void()>& forward) override;

 private:
  StepTrace& trace_;
  std::atomic<std::uint64_t> calls_ = 0;
};

}  // namespace vitrail::trainer
