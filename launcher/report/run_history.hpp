// A run's attempts and events, from the lines of its events.jsonl, which keeps all that happened, and of its
// metrics.jsonl, which keeps the steps that count. Runs of earlier builds have no events: then only what the
// metrics tell is known.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "launcher/report/report.hpp"
#include "launcher/report/run_state.hpp"

namespace vitrail::launcher {

class RunHistory {
 public:
  void add_event(const nlohmann::json& event);  // all of them first, in their order
  void add_metrics(const nlohmann::json& line);

  // When the run was first heard of, in seconds since 1970, and as it was written. NaN: no line has its time.
  double begin() const { return begin_; }
  const std::string& begin_text() const { return begin_text_; }

  std::vector<ReportedAttempt> attempts(RunState state) const;
  std::vector<ReportedEvent> events() const;  // in the order of their times
  std::int64_t planned_steps() const { return planned_steps_; }

 private:
  struct Happened {
    ReportedEvent event;
    double time = 0;
  };
  struct Span {
    ReportedAttempt attempt;
    double first = std::numeric_limits<double>::quiet_NaN(), last = first;  // since 1970
  };

  double take_time(const nlohmann::json& line);
  Span& span_of(std::int64_t number, double time);
  void add_skipped(const nlohmann::json& line, double time);

  std::map<std::int64_t, Span> spans_;
  std::vector<Happened> happened_;
  std::int64_t attempt_ = 0;  // the last one that began
  std::int64_t planned_steps_ = 0, skipped_ = 0, skipped_at_ = 0;
  bool tells_rollbacks_ = false;
  double begin_ = std::numeric_limits<double>::quiet_NaN();
  std::string begin_text_;
};

}  // namespace vitrail::launcher
