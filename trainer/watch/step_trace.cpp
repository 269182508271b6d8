#include "trainer/watch/step_trace.hpp"

#include <nlohmann/json.hpp>

namespace vitrail::trainer {

void StepTrace::add(const std::string& name, Track track, Clock::time_point begin, Clock::time_point end) {
  const std::lock_guard lock(mutex_);
  events_.push_back({name, track, begin, end});
  if (events_.size() > kKept) events_.pop_front();
}

std::string StepTrace::events(int rank, Clock::time_point begin) const {
  const auto microseconds = [](Clock::duration d) {
    return std::chrono::duration<double, std::micro>(d).count();
  };
  const std::lock_guard lock(mutex_);
  const auto name_track = [rank](Track track, const char* name) {
    const nlohmann::ordered_json label = {{"name", "thread_name"},
                                          {"ph", "M"},
                                          {"pid", rank},
                                          {"tid", static_cast<int>(track)},
                                          {"args", {{"name", name}}}};
    return label.dump();
  };
  std::string text = name_track(Track::computation, "computation") + ",\n" +
                     name_track(Track::communication, "communication");
  for (const Event& e : events_) {
    if (e.end <= begin) continue;
    const nlohmann::ordered_json event = {{"name", e.name},
                                          {"ph", "X"},
                                          {"pid", rank},
                                          {"tid", static_cast<int>(e.track)},
                                          {"ts", microseconds(e.begin - begin)},
                                          {"dur", microseconds(e.end - e.begin)}};
    text += ",\n" + event.dump();
  }
  return text;
}

std::string trace_file(const std::vector<std::string>& events_by_rank) {
  std::string text = "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n";
  for (std::size_t rank = 0; rank < events_by_rank.size(); ++rank) {
    text += (rank == 0 ? "" : ",\n") + events_by_rank[rank];
  }
  return text + "\n]}\n";
}

void TracedCommunicator::around(const sharding::Call& call, const std::function<void()>& forward) {
  const StepTrace::Span span(
      &trace_, fmt::format("{} {:.1f} KiB", name_of(call.kind), static_cast<double>(call.bytes) / 1024),
      StepTrace::Track::communication);
  forward();
}

}  // namespace vitrail::trainer
