#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "launcher/report/forms.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/base/text/table.hpp"

namespace vitrail::launcher {
namespace {

std::string fixed(double value, int digits) {
  return std::isnan(value) ? "-" : fmt::format("{:.{}f}", value, digits);
}

std::string progress_of(const RunReport& run) {
  return run.planned_steps > 0 ? fmt::format("{} of {}", run.step, run.planned_steps)
                               : fmt::format("{}", run.step);
}

// Best first.
std::string runs_text(const Report& report) {
  Rows rows = {{"run", "state", "steps", "epoch", "loss", "eval loss", "top-1", "top-5", "images/s",
                "skipped", "attempts", "time"}};
  for (const std::size_t i : ranking_of(report).order) {
    const RunReport& run = report.runs[i];
    rows.push_back({run.name, run.state, progress_of(run), fixed(run.epoch, 2), fixed(run.loss(), 4),
                    fixed(run.score("loss"), 4), fixed(run.score("top1"), 2), fixed(run.score("top5"), 2),
                    fixed(run.images_per_s(), 0), fmt::to_string(run.skipped()),
                    fmt::to_string(run.attempts.size()), format_duration(run.seconds)});
  }
  return in_columns(rows);
}

std::string differences_text(const Report& report) {
  const std::vector<std::string> keys = differing_settings(report);
  if (keys.empty()) return "";
  Rows rows = {{"setting"}};
  for (const RunReport& run : report.runs) rows[0].push_back(run.name);
  for (const std::string& key : keys) {
    rows.push_back({key});
    for (const RunReport& run : report.runs) {
      const auto found = run.settings.find(key);
      rows.back().push_back(found == run.settings.end() ? "-" : found->second);
    }
  }
  return "\nsettings that differ\n" + in_columns(rows, Align::left);
}

std::string attempts_text(const RunReport& run) {
  if (run.attempts.empty()) return "";
  Rows rows = {{"attempt", "ranks", "nodes", "steps", "time", "end"}};
  for (const ReportedAttempt& one : run.attempts) {
    rows.push_back({fmt::to_string(one.number), one.world > 0 ? fmt::to_string(one.world) : "-",
                    one.nodes > 0 ? fmt::to_string(one.nodes) : "-",
                    fmt::format("{} to {}", one.first_step, one.last_step),
                    format_duration(one.end - one.begin), one.how});
  }
  return fmt::format("\nattempts of {}\n{}", run.name, in_columns(rows));
}

// Checkpoints that were saved are no news.
std::string events_text(const RunReport& run) {
  Rows rows;
  for (const ReportedEvent& one : run.events) {
    if (one.kind != "saved")
      rows.push_back({one.time, fmt::to_string(one.attempt), one.step ? fmt::to_string(*one.step) : "-",
                      one.kind, one.text});
  }
  if (rows.empty()) return "";
  rows.insert(rows.begin(), {"time", "attempt", "step", "event", ""});
  return fmt::format("\nevents of {}\n{}", run.name, in_columns(rows, Align::left));
}

// Worst first.
std::string classes_text(const RunReport& run) {
  constexpr std::size_t kShown = 10;
  if (!run.evaluation || run.evaluation->classes.empty()) return "";
  std::vector<ReportedClass> classes = run.evaluation->classes;
  std::ranges::stable_sort(classes, {}, &ReportedClass::top1);
  const std::size_t shown = std::min(kShown, classes.size());
  Rows rows = {{"class", "images", "top-1", "top-5"}};
  for (std::size_t i = 0; i < shown; ++i) {
    rows.push_back({classes[i].name, fmt::to_string(classes[i].images), fixed(classes[i].top1, 2),
                    fixed(classes[i].top5, 2)});
  }
  return fmt::format("\n{} of {} classes of {}, the least accurate first\n{}", shown, classes.size(),
                     run.name, in_columns(rows));
}

std::string mistakes_text(const RunReport& run) {
  constexpr std::size_t kShown = 10;
  if (!run.evaluation) return "";
  std::vector<ReportedMistakes> wrong = mistakes_of(*run.evaluation);
  if (wrong.empty()) return "";
  wrong.resize(std::min(kShown, wrong.size()));
  const std::vector<ReportedClass>& classes = run.evaluation->classes;
  Rows rows = {{"class", "taken for", "images", "of"}};
  for (const ReportedMistakes& one : wrong) {
    rows.push_back({classes[one.label].name, classes[one.taken_for].name, fmt::to_string(one.images),
                    fmt::to_string(classes[one.label].images)});
  }
  return fmt::format("\nmost frequent mistakes of {}\n{}", run.name, in_columns(rows));
}

}  // namespace

std::string report_text(const Report& report) {
  std::string text = runs_text(report) + differences_text(report);
  for (const RunReport& run : report.runs)
    text += attempts_text(run) + events_text(run) + classes_text(run) + mistakes_text(run);
  return text;
}

}  // namespace vitrail::launcher
