// The course of a step on this rank, for chrome://tracing or Perfetto: what was computed, what was said to
// other ranks meanwhile, and where one waited for the other. Spans may come from any thread.
#pragma once

#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "sharding/comm/intercepted_communicator.hpp"

namespace vitrail::trainer {

class StepTrace {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Track { computation, communication };

  // Measures its own life; without a trace, nothing.
  class Span {
   public:
    Span(StepTrace* trace, std::string name, Track track = Track::computation)
        : trace_(trace), name_(std::move(name)), track_(track) {}
    ~Span() {
      if (trace_ != nullptr) trace_->add(name_, track_, begin_, Clock::now());
    }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    StepTrace* trace_;
    std::string name_;
    Track track_;
    Clock::time_point begin_ = Clock::now();
  };

  void add(const std::string& name, Track track, Clock::time_point begin, Clock::time_point end);
  // Trace events, separated by commas, of what ended after `begin`; times count from there, pid is the rank.
  std::string events(int rank, Clock::time_point begin) const;

 private:
  static constexpr std::size_t kKept = 20'000;  // more than a step and what was under way before it
  struct Event {
    std::string name;
    Track track;
    Clock::time_point begin, end;
  };
  mutable std::mutex mutex_;
  std::deque<Event> events_;  // the last kKept
};

// One file of all ranks' events.
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
};

}  // namespace vitrail::trainer
