#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "launcher/report/forms.hpp"
#include "trainer/base/text/table.hpp"

namespace vitrail::launcher {
namespace {

using Names = std::vector<std::string>;

std::string field(double value) { return std::isnan(value) ? "" : fmt::format("{}", value); }

void add_once(Names& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

std::string eval_name(const std::string& score) { return "eval." + score; }

std::vector<std::string> step_line(const RunReport& run, std::size_t row, const Names& metrics,
                                   std::size_t scores) {
  const StepTable& table = run.steps;
  std::vector<std::string> line = {run.name, fmt::to_string(table.step[row]), field(table.epoch[row]),
                                   field(table.seconds[row]), fmt::to_string(table.attempt[row])};
  for (const std::string& name : metrics) {
    const std::vector<double>* column = table.column(name);
    line.push_back(column == nullptr ? "" : field((*column)[row]));
  }
  line.resize(line.size() + scores);
  return line;
}

std::vector<std::string> evaluation_line(const RunReport& run, const ReportedEvaluation& evaluation,
                                         std::size_t metrics, const Names& scores) {
  std::vector<std::string> line = {run.name, fmt::to_string(evaluation.step), "", field(evaluation.seconds),
                                   ""};
  line.resize(line.size() + metrics);
  for (const std::string& name : scores) {
    const auto found = std::ranges::find_if(
        evaluation.scores, [&](const auto& score) { return eval_name(score.first) == name; });
    line.push_back(found == evaluation.scores.end() ? "" : field(found->second));
  }
  return line;
}

}  // namespace

std::string report_csv(const Report& report) {
  Names metrics, scores;
  for (const RunReport& run : report.runs) {
    for (const std::string& name : run.steps.names) add_once(metrics, name);
    for (const ReportedEvaluation& evaluation : run.evaluations) {
      for (const auto& [name, value] : evaluation.scores) add_once(scores, eval_name(name));
    }
  }
  Names head = {"run", "step", "epoch", "seconds", "attempt"};
  head.insert(head.end(), metrics.begin(), metrics.end());
  head.insert(head.end(), scores.begin(), scores.end());
  std::string text = csv_line(head);
  for (const RunReport& run : report.runs) {
    for (std::size_t row = 0; row < run.steps.rows(); ++row)
      text += csv_line(step_line(run, row, metrics, scores.size()));
    for (const ReportedEvaluation& evaluation : run.evaluations)
      text += csv_line(evaluation_line(run, evaluation, metrics.size(), scores));
  }
  return text;
}

}  // namespace vitrail::launcher
