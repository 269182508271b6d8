#include "trainer/watch/step_trace.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

namespace vitrail::trainer {
namespace {

using Json = nlohmann::ordered_json;
using Kind = TraceTrack::Kind;

// Numbers of a viewer's rows, which it sorts by them.
std::int64_t row_of(TraceTrack track) {
  constexpr std::int64_t kOfAKind = 1000;
  return track.number + (track.kind < Kind::worker ? static_cast<std::int64_t>(track.kind)
                                                   : kOfAKind * static_cast<std::int64_t>(track.kind));
}

std::string name_of(TraceTrack track) {
  switch (track.kind) {
    case Kind::computation:
      return "computation";
    case Kind::communication:
      return "communication";
    case Kind::steps:
      return "steps";
    case Kind::worker:
      return fmt::format("loader {}", track.number + 1);
    case Kind::operators:
      return fmt::format("operators, thread {}", track.number + 1);
    case Kind::stream:
      return fmt::format("GPU stream {}", track.number);
  }
  return "";
}

Json label(const char* what, int rank, std::int64_t row, const std::string& name) {
  return {{"name", what}, {"ph", "M"}, {"pid", rank}, {"tid", row}, {"args", {{"name", name}}}};
}

// Beginning or end of an arrow, bound to the span around that time.
Json arrow_part(const char* part, std::size_t number, const Json& span, double at) {
  Json json = {{"name", "waited for"}, {"cat", "ranks"},     {"ph", part}, {"id", number},
               {"pid", span["pid"]},   {"tid", span["tid"]}, {"ts", at}};
  if (part[0] == 'f') json["bp"] = "e";
  return json;
}

double time_of(const Json& span) { return span["ts"].get<double>(); }

// `calls`: the spans of each call of all ranks, by its number.
void add_arrows(const std::map<std::uint64_t, std::vector<Json>>& calls, std::size_t ranks,
                std::vector<Json>& events) {
  constexpr double kInside = 0.999;  // of a span
  std::size_t number = 0;
  for (const auto& [call, spans] : calls) {
    if (spans.size() != ranks) continue;  // another rank's part lies before or after the picture
    const Json& last = *std::ranges::max_element(spans, {}, time_of);
    for (const Json& span : spans) {
      const double end = time_of(span) + kInside * span["dur"].get<double>();
      if (&span == &last || end < time_of(last)) continue;
      events.push_back(arrow_part("s", number, last, time_of(last)));
      events.push_back(arrow_part("f", number, span, end));
      ++number;
    }
  }
}

}  // namespace

void StepTrace::add(const std::string& name, TraceTrack track, Clock::time_point begin, Clock::time_point end,
                    std::optional<std::uint64_t> call) {
  const std::lock_guard lock(mutex_);
  events_.push_back({name, track, begin, end, call});
  if (events_.size() > kKept) events_.pop_front();
}

std::string StepTrace::events(int rank, const std::string& host, Clock::time_point begin) const {
  const auto microseconds = [](Clock::duration d) {
    return std::chrono::duration<double, std::micro>(d).count();
  };
  Json all = {label("process_name", rank, 0, fmt::format("rank {} on {}", rank, host)),
              {{"name", "process_sort_index"}, {"ph", "M"}, {"pid", rank}, {"args", {{"sort_index", rank}}}}};
  const std::lock_guard lock(mutex_);
  std::set<TraceTrack> named;
  for (const Event& e : events_) {
    if (e.end <= begin) continue;
    const std::int64_t row = row_of(e.track);
    if (named.insert(e.track).second) all.push_back(label("thread_name", rank, row, name_of(e.track)));
    Json event = {{"name", e.name},
                  {"ph", "X"},
                  {"pid", rank},
                  {"tid", row},
                  {"ts", microseconds(e.begin - begin)},
                  {"dur", microseconds(e.end - e.begin)}};
    if (e.call) event["args"] = {{"call", *e.call}};
    all.push_back(std::move(event));
  }
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string trace_file(const std::vector<std::string>& events_by_rank) {
  std::vector<Json> events;
  std::map<std::uint64_t, std::vector<Json>> calls;
  for (const std::string& of_rank : events_by_rank) {
    for (Json& event : Json::parse(of_rank)) {
      if (event["ph"] == "X" && event.contains("args")) calls[event["args"]["call"]].push_back(event);
      events.push_back(std::move(event));
    }
  }
  add_arrows(calls, events_by_rank.size(), events);
  std::string text = "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n";
  for (std::size_t i = 0; i < events.size(); ++i) text += (i == 0 ? "" : ",\n") + events[i].dump();
  return text + "\n]}\n";
}

void TracedCommunicator::around(const sharding::Call& call, const std::function<void()>& forward) {
  const std::uint64_t number = calls_++;
  const auto begin = StepTrace::Clock::now();
  forward();
  trace_.add(fmt::format("{} {:.1f} KiB", name_of(call.kind), static_cast<double>(call.bytes) / 1024),
             {TraceTrack::Kind::communication}, begin, StepTrace::Clock::now(), number);
}

}  // namespace vitrail::trainer
