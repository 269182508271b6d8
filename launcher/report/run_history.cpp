#include "launcher/report/run_history.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "trainer/base/text/wall_time.hpp"

namespace vitrail::launcher {
namespace {

bool is_end(const std::string& kind) { return kind == "finished" || kind == "stopped" || kind == "failed"; }

std::string lines_joined(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

double RunHistory::take_time(const nlohmann::json& line) {
  const std::string text = line.value("time", "");
  const auto time = seconds_of_utc(text);
  if (!time) return std::numeric_limits<double>::quiet_NaN();
  if (std::isnan(begin_) || *time < begin_) {
    begin_ = *time;
    begin_text_ = text;
  }
  return *time;
}

RunHistory::Span& RunHistory::span_of(std::int64_t number, double time) {
  Span& span = spans_[number];
  span.attempt.number = number;
  span.first = std::fmin(span.first, time);
  span.last = std::fmax(span.last, time);
  return span;
}

// A failure may be reported by a rank that does not know which attempt this is.
void RunHistory::add_event(const nlohmann::json& event) {
  const double time = take_time(event);
  const std::string kind = event.value("kind", "");
  if (kind == "begin") attempt_ = event.value("attempt", std::int64_t{0});
  Span& span = span_of(event.value("attempt", attempt_), time);
  ReportedAttempt& attempt = span.attempt;
  if (kind == "begin") {
    attempt.world = event.value("world", std::int64_t{0});
    attempt.nodes = event.value("nodes", std::int64_t{0});
    attempt.first_step = attempt.last_step = event.value("step", std::int64_t{0});
    planned_steps_ = event.value("planned_steps", planned_steps_);
  }
  if (event.contains("step")) attempt.last_step = std::max<std::int64_t>(attempt.last_step, event["step"]);
  if (is_end(kind)) attempt.how = kind;
  if (kind == "rollback") tells_rollbacks_ = true;
  ReportedEvent told{
      event.value("time", ""), 0, attempt.number, {}, kind, lines_joined(event.value("text", ""))};
  if (event.contains("step")) told.step = event["step"];
  happened_.push_back({std::move(told), time});
}

void RunHistory::add_metrics(const nlohmann::json& line) {
  const double time = take_time(line);
  const std::int64_t number = line.value("attempt", std::int64_t{0});
  if (number == 0) return;  // of a build that did not count them
  const std::int64_t step = line.value("step", std::int64_t{0});
  const bool begun_here = !spans_.contains(number);
  ReportedAttempt& attempt = span_of(number, time).attempt;
  if (begun_here) attempt.first_step = step - 1;
  attempt.last_step = std::max(attempt.last_step, step);
  if (line.contains("skipped")) add_skipped(line, time);
  if (!line.contains("gone_back") || tells_rollbacks_) return;
  happened_.push_back({{line.value("time", ""), 0, number, step, "rollback",
                        fmt::format("the loss ran away: back to step {}", step)},
                       time});
}

// Steps that follow each other are one event.
void RunHistory::add_skipped(const nlohmann::json& line, double time) {
  const std::int64_t skipped = line["skipped"], step = line["step"];
  const std::int64_t now = skipped - skipped_;
  skipped_ = skipped;
  if (now <= 0) return;
  const bool goes_on = skipped_at_ > 0 && step == skipped_at_ + 1 && happened_.back().event.kind == "skipped";
  skipped_at_ = step;
  std::string text = "gradients overflowed, the update was skipped";
  if (goes_on) {
    text = fmt::format("gradients overflowed, updates were skipped up to step {}", step);
    happened_.back().event.text = text;
    return;
  }
  happened_.push_back(
      {{line.value("time", ""), 0, line.value("attempt", std::int64_t{0}), step, "skipped", text}, time});
}

std::vector<ReportedAttempt> RunHistory::attempts(RunState state) const {
  std::vector<ReportedAttempt> all;
  for (const auto& [number, span] : spans_) {
    if (number == 0) continue;
    ReportedAttempt attempt = span.attempt;
    attempt.begin = span.first - begin_;
    attempt.end = span.last - begin_;
    const bool last = number == spans_.rbegin()->first;
    if (last && state == RunState::running) attempt.how = "running";
    if (last && state == RunState::finished) attempt.how = "finished";
    if (attempt.how.empty()) attempt.how = "lost";
    all.push_back(std::move(attempt));
  }
  return all;
}

std::vector<ReportedEvent> RunHistory::events() const {
  std::vector<Happened> sorted = happened_;
  std::ranges::stable_sort(sorted, [](const Happened& a, const Happened& b) { return a.time < b.time; });
  std::vector<ReportedEvent> all;
  for (const Happened& one : sorted) {
    all.push_back(one.event);
    all.back().seconds = one.time - begin_;
  }
  return all;
}

}  // namespace vitrail::launcher
