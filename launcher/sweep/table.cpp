#include "launcher/sweep/table.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "trainer/base/text/progress.hpp"
#include "trainer/base/text/table.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

// Of what has failed or diverged, under the table.
std::string failures_text(const std::vector<TaskResult>& results) {
  std::string text;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const TaskResult& result = results[i];
    if (result.state != TaskState::failed && result.state != TaskState::diverged) continue;
    const std::string log = result.log.empty() ? "its job's log" : result.log.string();
    const std::string how = result.state == TaskState::diverged
                                ? "diverged"
                                : fmt::format("failed with status {}", result.status);
    text += fmt::format("task {} {}{}: see {}\n", i, how,
                        result.job.empty() ? "" : fmt::format(" (job {})", result.job), log);
  }
  return text;
}

std::string progress_of(const SweepRun& run, const TaskResult& result) {
  const bool known = result.steps > 0 || result.epochs > 0;
  const std::int64_t steps = known ? result.steps : run.config.run.steps;
  const std::int64_t epochs = known ? result.epochs : run.config.run.epochs;
  return steps > 0 ? fmt::format("{} of {} steps", result.step, steps)
                   : fmt::format("{:.4g} of {} epochs", result.epoch, epochs);
}

std::string short_form(const std::optional<double>& value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "-";
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

// Where a task is and how long it takes: of interest while one is somewhere.
bool is_somewhere(const TaskResult& result) {
  return !result.is_over() && (!result.job.empty() || !result.node.empty());
}

std::vector<std::string> place_of(const TaskResult& result) {
  const bool somewhere = is_somewhere(result);
  return {somewhere ? or_dash(result.job) : "-", somewhere ? or_dash(result.node) : "-",
          short_form(result.images_per_s, 0),
          result.seconds_left ? format_duration(*result.seconds_left) : "-"};
}

// All but task, name, folder and settings.
Json outcome(const TaskResult& result) {
  const auto number = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  const auto text = [](const std::string& value) { return value.empty() ? Json() : Json(value); };
  const bool ended_badly = result.state == TaskState::failed || result.state == TaskState::diverged;
  return {{"state", name_of(result.state)},
          {"step", result.step},
          {"epoch", result.epoch},
          {"loss", number(result.loss)},
          {"diverged", result.diverged},
          {"eval_loss", number(result.eval_loss)},
          {"top1", number(result.top1)},
          {"top5", number(result.top5)},
          {"status", ended_badly ? Json(result.status) : Json()},
          {"log", text(result.log.string())},
          {"attempts", result.attempts},
          {"job", text(result.job)},
          {"node", text(result.node)},
          {"images_per_s", number(result.images_per_s)},
          {"seconds_left", number(result.seconds_left)}};
}

std::vector<std::string> csv_names(const Sweep& sweep) {
  std::vector<std::string> names = {"task", "name", "folder"};
  names.insert(names.end(), sweep.keys.begin(), sweep.keys.end());
  return names;
}

std::vector<std::string> csv_task(const SweepRun& run) {
  std::vector<std::string> fields = {fmt::to_string(run.number), run.task.name, run.folder.string()};
  for (const auto& [key, value] : run.task.settings) fields.push_back(value);
  return fields;
}

}  // namespace

Json to_json(const SweepRun& run) {
  Json settings = Json::object();
  for (const auto& [key, value] : run.task.settings) settings[key] = value;
  return {
      {"task", run.number}, {"name", run.task.name}, {"folder", run.folder.string()}, {"settings", settings}};
}

std::string results_text(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric) {
  const bool places = std::ranges::any_of(results, is_somewhere);
  Rows rows = {{"task"}};
  rows[0].insert(rows[0].end(), sweep.keys.begin(), sweep.keys.end());
  for (const char* title : {"state", "done", "loss", "eval loss", "top-1", "top-5"})
    rows[0].emplace_back(title);
  if (places) rows[0].insert(rows[0].end(), {"job", "node", "images/s", "left"});
  for (const std::size_t i : ranking(results, metric)) {
    const SweepRun& run = sweep.runs[i];
    const TaskResult& result = results[i];
    std::vector<std::string> row = {fmt::to_string(run.number)};
    for (const auto& [key, value] : run.task.settings) row.push_back(value);
    row.insert(row.end(),
               {name_of(result.state), progress_of(run, result),
                result.diverged ? "diverged" : short_form(result.loss, 4), short_form(result.eval_loss, 4),
                short_form(result.top1, 2), short_form(result.top5, 2)});
    const std::vector<std::string> place = place_of(result);
    if (places) row.insert(row.end(), place.begin(), place.end());
    rows.push_back(std::move(row));
  }
  return in_columns(rows) + failures_text(results);
}

std::string results_json(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric) {
  Json json = Json::array();
  for (const std::size_t i : ranking(results, metric)) {
    Json row = to_json(sweep.runs[i]);
    row.update(outcome(results[i]));
    json.push_back(std::move(row));
  }
  return json.dump() + "\n";
}

std::string results_csv(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric) {
  std::vector<std::string> names = csv_names(sweep);
  const Json none = outcome({});
  for (const auto& [name, unused] : none.items()) names.push_back(name);
  std::string text = csv_line(names);
  for (const std::size_t i : ranking(results, metric)) {
    std::vector<std::string> fields = csv_task(sweep.runs[i]);
    const Json values = outcome(results[i]);
    for (const auto& [name, value] : values.items())
      fields.push_back(value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump());
    text += csv_line(fields);
  }
  return text;
}

std::string plan_csv(const Sweep& sweep) {
  std::string text = csv_line(csv_names(sweep));
  for (const SweepRun& run : sweep.runs) text += csv_line(csv_task(run));
  return text;
}

std::string summary(const std::vector<TaskResult>& results) {
  std::string text = fmt::format("{} task{}", results.size(), results.size() == 1 ? "" : "s");
  std::string separator = ": ";
  for (const TaskState state : {TaskState::finished, TaskState::running, TaskState::preempted,
                                TaskState::waiting, TaskState::failed, TaskState::diverged}) {
    const auto count = std::ranges::count(results, state, &TaskResult::state);
    if (count == 0) continue;
    text += fmt::format("{}{} {}", separator, count, name_of(state));
    separator = ", ";
  }
  return text;
}

}  // namespace vitrail::launcher
