#include "launcher/report/report.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <numeric>

#include "trainer/base/median.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::size_t kLossSteps = 20;

bool is_place(const std::string& key) { return key == "run.name" || key == "run.dir"; }

}  // namespace

const std::vector<double>* StepTable::column(const std::string& name) const {
  const auto found = std::ranges::find(names, name);
  return found == names.end() ? nullptr : &columns[static_cast<std::size_t>(found - names.begin())];
}

double StepTable::last(const std::string& name, std::size_t most) const {
  const std::vector<double>* values = column(name);
  if (values == nullptr) return kNotKnown;
  double sum = 0;
  std::size_t count = 0;
  for (auto value = values->rbegin(); value != values->rend() && count < most; ++value) {
    if (std::isnan(*value)) continue;
    sum += *value;
    ++count;
  }
  return count == 0 ? kNotKnown : sum / static_cast<double>(count);
}

double RunReport::score(const std::string& asked) const {
  if (evaluations.empty()) return kNotKnown;
  for (const auto& [key, value] : evaluations.back().scores) {
    if (key == asked) return value;
  }
  return kNotKnown;
}

double RunReport::loss() const {
  const std::vector<double>* values = steps.column("loss");
  if (values == nullptr || values->empty() || std::isnan(values->back())) return kNotKnown;
  return steps.last("loss", kLossSteps);
}

double RunReport::images_per_s() const {
  const std::vector<double>* values = steps.column("images_per_s");
  std::vector<double> known;
  if (values != nullptr)
    std::ranges::remove_copy_if(*values, std::back_inserter(known), [](double x) { return std::isnan(x); });
  return known.empty() ? kNotKnown : upper_median(std::move(known));
}

std::int64_t RunReport::skipped() const {
  const double skipped = steps.last("skipped");
  return std::isnan(skipped) ? 0 : static_cast<std::int64_t>(skipped);
}

std::vector<std::string> differing_settings(const Report& report) {
  SettingsMap all;
  for (const RunReport& run : report.runs) all.insert(run.settings.begin(), run.settings.end());
  std::vector<std::string> keys;
  for (const auto& [key, value] : all) {
    const bool alike = std::ranges::all_of(report.runs, [&, k = key, v = value](const RunReport& run) {
      const auto own = run.settings.find(k);
      return own != run.settings.end() && own->second == v;
    });
    if (!alike && !is_place(key)) keys.push_back(key);
  }
  return keys;
}

double ranked_value(const RunReport& run, const Ranking& ranking) {
  return ranking.by == "loss" ? run.loss() : run.score(ranking.by);
}

Ranking ranking_of(const Report& report) {
  const bool evaluated =
      std::ranges::any_of(report.runs, [](const RunReport& run) { return !std::isnan(run.score("top1")); });
  Ranking ranking{evaluated ? "top1" : "loss", std::vector<std::size_t>(report.runs.size())};
  std::iota(ranking.order.begin(), ranking.order.end(), 0);
  std::ranges::stable_sort(ranking.order, [&](std::size_t a, std::size_t b) {
    const double x = ranked_value(report.runs[a], ranking), y = ranked_value(report.runs[b], ranking);
    if (std::isnan(x) || std::isnan(y)) return std::isnan(y) && !std::isnan(x);
    return evaluated ? x > y : x < y;
  });
  return ranking;
}

std::vector<ReportedMistakes> mistakes_of(const FinalEvaluation& evaluation) {
  std::vector<ReportedMistakes> wrong;
  std::ranges::copy_if(evaluation.confusion, std::back_inserter(wrong),
                       [](const ReportedMistakes& one) { return one.label != one.taken_for; });
  std::ranges::stable_sort(wrong, std::ranges::greater(), &ReportedMistakes::images);
  return wrong;
}

}  // namespace vitrail::launcher
