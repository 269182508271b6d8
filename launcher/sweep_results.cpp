#include "launcher/sweep_results.hpp"

#include <algorithm>
#include <deque>
#include <numeric>
#include <sstream>

#include <nlohmann/json.hpp>

#include "trainer/base/atomic_file.hpp"
#include "trainer/checkpoint/run_directory.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kSmoothed = 20;

// Numbers that are not finite are words in the metrics.
std::optional<double> number_in(const nlohmann::json& line, const char* key) {
  if (!line.contains(key) || !line.at(key).is_number()) return std::nullopt;
  return line.at(key).get<double>();
}

// The run may be writing: a last line without its end is not there yet.
void read_metrics(const std::string& text, TaskResult& result) {
  std::deque<std::string_view> last;
  std::string_view rest = text, evaluation;
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.find("\"eval\"") != std::string_view::npos) {
      evaluation = line;
      continue;
    }
    if (line.find("\"gone_back\"") != std::string_view::npos) continue;
    last.push_back(line);
    if (last.size() > kSmoothed) last.pop_front();
  }
  double sum = 0;
  for (const std::string_view line : last) {
    const auto step = nlohmann::json::parse(line);
    result.step = step.at("step");
    result.epoch = step.at("epoch");
    const auto loss = number_in(step, "loss");
    result.diverged = result.diverged || !loss;
    sum += loss.value_or(0);
  }
  if (!last.empty() && !result.diverged) result.loss = sum / static_cast<double>(last.size());
  if (evaluation.empty()) return;
  const auto line = nlohmann::json::parse(evaluation).at("eval");
  result.eval_loss = number_in(line, "loss");
  result.top1 = number_in(line, "top1");
  result.top5 = number_in(line, "top5");
}

// The last step is saved, and evaluated where that was asked for.
bool is_finished(const trainer::Config& config, const trainer::TrainState& saved, const TaskResult& result) {
  const bool last = config.run.steps > 0
                        ? saved.step == config.run.steps
                        : saved.step == result.step && result.epoch == static_cast<double>(config.run.epochs);
  return last && (config.data.val.empty() || saved.evaluated_step == saved.step);
}

// What an evaluation found before a run diverged says nothing of how it ended.
std::optional<double> value_of(const TaskResult& result, SweepMetric metric) {
  if (result.diverged) return std::nullopt;
  switch (metric) {
    case SweepMetric::top1:
      return result.top1;
    case SweepMetric::top5:
      return result.top5;
    case SweepMetric::eval_loss:
      return result.eval_loss;
    case SweepMetric::automatic:
    case SweepMetric::loss:
      break;
  }
  return result.loss;
}

// The accuracy where there is one.
SweepMetric chosen(SweepMetric metric, const std::vector<TaskResult>& results) {
  if (metric != SweepMetric::automatic) return metric;
  const bool evaluated = std::ranges::any_of(results, [](const TaskResult& r) { return r.top1.has_value(); });
  return evaluated ? SweepMetric::top1 : SweepMetric::loss;
}

std::string name_of(TaskState state) {
  switch (state) {
    case TaskState::waiting:
      return "waiting";
    case TaskState::begun:
      return "begun";
    case TaskState::finished:
      return "finished";
    case TaskState::failed:
      break;
  }
  return "failed";
}

std::filesystem::path status_file(const SweepRun& run) { return run.folder / "exit_status"; }

// A task that is finished has not failed, whatever went wrong before.
void read_failure(const SweepRun& run, TaskResult& result) {
  if (result.state == TaskState::finished || !std::filesystem::exists(status_file(run))) return;
  std::istringstream(read_text(status_file(run))) >> result.status;
  result.state = TaskState::failed;
  for (const auto& log : {run.launch_output(), trainer::RunDirectory{run.folder}.log()}) {
    if (result.log.empty() && std::filesystem::exists(log)) result.log = log;
  }
}

// Of what has failed, under the table.
std::string failures_text(const std::vector<TaskResult>& results) {
  std::string text;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].state != TaskState::failed) continue;
    const std::string log = results[i].log.empty() ? "its job's log" : results[i].log.string();
    text += fmt::format("task {} failed with status {}: see {}\n", i, results[i].status, log);
  }
  return text;
}

std::string progress_of(const SweepRun& run, const TaskResult& result) {
  const trainer::RunConfig& config = run.config.run;
  return config.steps > 0 ? fmt::format("{} of {} steps", result.step, config.steps)
                          : fmt::format("{:.4g} of {} epochs", result.epoch, config.epochs);
}

std::string short_form(const std::optional<double>& value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "-";
}

using Rows = std::vector<std::vector<std::string>>;

std::string aligned(const Rows& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      text += fmt::format("{:>{}}{}", row[i], widths[i], i + 1 == row.size() ? "\n" : "  ");
  }
  return text;
}

}  // namespace

Json to_json(const SweepRun& run) {
  Json settings = Json::object();
  for (const auto& [key, value] : run.task.settings) settings[key] = value;
  return {
      {"task", run.number}, {"name", run.task.name}, {"folder", run.folder.string()}, {"settings", settings}};
}

TaskResult read_result(const SweepRun& run) {
  TaskResult result;
  const trainer::RunDirectory directory{run.folder};
  if (std::filesystem::exists(directory.metrics())) {
    try {
      read_metrics(read_text(directory.metrics()), result);
    } catch (const nlohmann::json::exception& e) {
      throw Error(ExitCode::bad_data, fmt::format("{}: {}", directory.metrics().string(), e.what()));
    }
    if (result.step > 0) result.state = TaskState::begun;
    const auto newest = newest_manifest(run);
    if (newest && is_finished(run.config, newest->state, result)) result.state = TaskState::finished;
  }
  read_failure(run, result);
  return result;
}

void keep_status(const SweepRun& run, int status) {
  if (status != 0) {
    write_text_atomically(status_file(run), fmt::format("{}\n", status));
  } else if (std::filesystem::exists(status_file(run))) {
    std::filesystem::remove(status_file(run));
  }
}

std::vector<std::size_t> ranking(const std::vector<TaskResult>& results, SweepMetric asked) {
  const SweepMetric metric = chosen(asked, results);
  const bool most = metric == SweepMetric::top1 || metric == SweepMetric::top5;
  std::vector<std::size_t> order(results.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    const auto x = value_of(results[a], metric), y = value_of(results[b], metric);
    if (!x || !y) return x.has_value() && !y.has_value();
    return most ? *x > *y : *x < *y;
  });
  return order;
}

std::string results_text(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric) {
  Rows rows = {{"task"}};
  rows[0].insert(rows[0].end(), sweep.keys.begin(), sweep.keys.end());
  for (const char* title : {"state", "done", "loss", "eval loss", "top-1", "top-5"})
    rows[0].emplace_back(title);
  for (const std::size_t i : ranking(results, metric)) {
    const SweepRun& run = sweep.runs[i];
    const TaskResult& result = results[i];
    std::vector<std::string> row = {fmt::to_string(run.number)};
    for (const auto& [key, value] : run.task.settings) row.push_back(value);
    row.insert(row.end(),
               {name_of(result.state), progress_of(run, result),
                result.diverged ? "diverged" : short_form(result.loss, 4), short_form(result.eval_loss, 4),
                short_form(result.top1, 2), short_form(result.top5, 2)});
    rows.push_back(std::move(row));
  }
  return aligned(rows) + failures_text(results);
}

std::string results_json(const Sweep& sweep, const std::vector<TaskResult>& results, SweepMetric metric) {
  const auto or_null = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  Json json = Json::array();
  for (const std::size_t i : ranking(results, metric)) {
    const TaskResult& result = results[i];
    Json row = to_json(sweep.runs[i]);
    row.update(Json({{"state", name_of(result.state)},
                     {"step", result.step},
                     {"epoch", result.epoch},
                     {"loss", or_null(result.loss)},
                     {"diverged", result.diverged},
                     {"eval_loss", or_null(result.eval_loss)},
                     {"top1", or_null(result.top1)},
                     {"top5", or_null(result.top5)},
                     {"status", result.state == TaskState::failed ? Json(result.status) : Json()},
                     {"log", result.log.empty() ? Json() : Json(result.log.string())}}));
    json.push_back(std::move(row));
  }
  return json.dump() + "\n";
}

}  // namespace vitrail::launcher
