// What runs did, as one value: all that `vitrail report` shows, in whatever form. Numbers that a run did not
// record, and those that are not finite, are NaN. Pure functions of it; read_run.hpp makes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trainer/settings/settings.hpp"

namespace vitrail::launcher {

using trainer::SettingsMap;

inline constexpr double kNotKnown = std::numeric_limits<double>::quiet_NaN();

// metrics.jsonl as columns: whatever numbers its steps have. An object in a line counts by its members,
// "phase.forward".
struct StepTable {
  std::vector<std::int64_t> step;
  std::vector<double> epoch;
  std::vector<double> seconds;  // of wall time since the first of them
  std::vector<std::int64_t> attempt;
  std::vector<std::string> names;  // in the order of the first line that has them
  std::vector<std::vector<double>> columns;

  std::size_t rows() const { return step.size(); }
  const std::vector<double>* column(const std::string& name) const;  // null: nobody recorded it
  double last(const std::string& name, std::size_t most = 1) const;  // mean of the last rows that have it
};

struct ReportedEvaluation {
  std::int64_t step = 0;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> scores;
};

struct ReportedAttempt {
  std::int64_t number = 0;
  std::int64_t world = 0, nodes = 0;           // 0: not known
  std::int64_t first_step = 0, last_step = 0;  // finished before it, and as far as it is known to have come
  double begin = 0, end = 0;                   // seconds since the run began
  std::string how;                             // it ended: "finished", "stopped", "failed", "lost"; "running"
};

struct ReportedEvent {
  std::string time;    // UTC
  double seconds = 0;  // since the run began
  std::int64_t attempt = 0;
  std::optional<std::int64_t> step;
  std::string kind, text;
};

struct ReportedClass {
  std::string name;
  std::int64_t images = 0;
  double top1 = 0, top5 = 0;
};

// Images of class `label` that were taken for another one, or for it: places in `classes`.
struct ReportedMistakes {
  std::size_t label = 0, taken_for = 0;
  std::int64_t images = 0;
};

// evaluation.json, as slurm/evaluate.sh keeps it.
struct FinalEvaluation {
  std::int64_t images = 0;
  std::vector<std::pair<std::string, double>> scores;
  std::string weights, data, date;
  std::vector<ReportedClass> classes;
  std::vector<ReportedMistakes> confusion;
};

// Made for the report if asked for (pictures.hpp).
struct ReportedPicture {
  std::string kind;       // "attention": of one image; "preview"
  std::int64_t step = 0;  // of the checkpoint that looks
  std::string title, text;
  std::vector<std::string> columns;  // names of equal parts, side by side; empty: it has its own
  int width = 0, height = 0;
  std::string png;  // empty: the image could not be read, as `text` says
};

struct RunReport {
  std::string name;
  std::filesystem::path folder;
  std::string state;                         // "finished", "running", "preempted", "failed", "interrupted"
  std::string begin;                         // UTC
  double seconds = 0;                        // of wall time from the first to the last sign of it
  std::int64_t step = 0, planned_steps = 0;  // 0: not known
  double epoch = 0;
  StepTable steps;
  std::vector<ReportedEvaluation> evaluations;
  std::vector<ReportedAttempt> attempts;
  std::vector<ReportedEvent> events;
  SettingsMap settings;
  std::optional<FinalEvaluation> evaluation;
  std::vector<ReportedPicture> pictures;

  double score(const std::string& name) const;  // of the last evaluation
  double loss() const;                          // of training, mean of the last 20 steps
  double images_per_s() const;                  // median
  std::int64_t skipped() const;                 // steps
};

struct Report {
  std::vector<RunReport> runs;
};

// Keys whose values are not alike in all runs, but for names and places.
std::vector<std::string> differing_settings(const Report& report);

// Indices of the runs, best first, and what decides: top1 where a run has one, else the loss. Runs without
// that number come last.
struct Ranking {
  std::string by;
  std::vector<std::size_t> order;
};
Ranking ranking_of(const Report& report);
double ranked_value(const RunReport& run, const Ranking& ranking);

// Those where the class is not right, the most images first.
std::vector<ReportedMistakes> mistakes_of(const FinalEvaluation& evaluation);

}  // namespace vitrail::launcher
