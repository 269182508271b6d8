#include "launcher/sweep/results.hpp"

#include <algorithm>
#include <numeric>
#include <sstream>

#include <nlohmann/json.hpp>

#include "launcher/options/options_text.hpp"
#include "launcher/report/run_state.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/checkpoint/finished_run.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/metrics_reader.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;
using trainer::LastOwner;

constexpr std::size_t kSmoothed = 20;

// What is left of the run at `seconds` a step; absent where its length is not known yet.
std::optional<double> seconds_left(const TaskResult& result, double seconds) {
  double total = static_cast<double>(result.steps);
  if (result.steps == 0 && result.epoch > 0)
    total = static_cast<double>(result.epochs * result.step) / result.epoch;
  if (total <= 0 || seconds <= 0) return std::nullopt;
  return std::max(0.0, total - static_cast<double>(result.step)) * seconds;
}

void read_metrics(const fs::path& file, TaskResult& result) {
  const trainer::MetricsReader metrics(file);
  const auto last = metrics.steps(kSmoothed);
  const auto count = static_cast<double>(last.size());
  double loss_sum = 0, rate_sum = 0, seconds_sum = 0;
  for (const trainer::StepRecord& step : last) {
    if (!step.step || !step.epoch)
      throw Error(ExitCode::bad_data, fmt::format("{}: a step without its number or epoch", file.string()));
    result.step = *step.step;
    result.epoch = *step.epoch;
    result.diverged = result.diverged || !step.loss;
    loss_sum += step.loss.value_or(0);
    rate_sum += step.images_per_s.value_or(0);
    seconds_sum += step.seconds.value_or(0);
  }
  if (count > 0 && !result.diverged) result.loss = loss_sum / count;
  if (rate_sum > 0) result.images_per_s = rate_sum / count;
  if (count > 0) result.seconds_left = seconds_left(result, seconds_sum / count);
  if (const auto evaluation = metrics.last_evaluation()) {
    result.eval_loss = evaluation->score("loss");
    result.top1 = evaluation->score("top1");
    result.top5 = evaluation->score("top5");
  }
}

// How long the run is, by what it was begun with and not by what a config says today.
struct Plan {
  std::int64_t steps = 0, epochs = 0;
  bool evaluated = false;

  void take(const std::string& key, const std::string& value) {
    if (key == "run.steps") trainer::read(value, steps);
    if (key == "run.epochs") trainer::read(value, epochs);
    if (key == "data.val") evaluated = !value.empty();
  }
};

Plan plan_of(const SweepRun& run, const std::optional<trainer::CheckpointManifest>& newest) {
  Plan plan{run.config.run.steps, run.config.run.epochs, !run.config.data.val.empty()};
  const fs::path own = trainer::RunDirectory{run.folder}.config();
  if (fs::exists(own)) {
    for (const Setting& setting : split_file(own.string(), read_written_text(own, ExitCode::usage)))
      plan.take(setting.key, setting.value);
  } else if (newest) {
    for (const auto& [key, value] : newest->settings) plan.take(key, value);
  }
  return plan;
}

// The last step is saved, and evaluated where that was asked for.
bool is_finished(const Plan& plan, const trainer::TrainState& saved, const TaskResult& result) {
  const bool last = plan.steps > 0
                        ? saved.step == plan.steps
                        : saved.step == result.step && result.epoch == static_cast<double>(plan.epochs);
  return last && (!plan.evaluated || saved.evaluated_step == saved.step);
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

fs::path status_file(const SweepRun& run) { return run.folder / "exit_status"; }
fs::path start_file(const SweepRun& run) { return run.folder / "started.json"; }

std::optional<LastOwner> owner_of(const SweepRun& run) {
  return trainer::last_owner(trainer::RunDirectory{run.folder}.owners());
}

bool is_running(const LastOwner& owner, const Outside& outside) {
  const bool unknown = owner.life == LastOwner::Life::unknown;
  if (unknown && !owner.attempt.job.empty() && outside.queue_answered)
    return outside.by_job && outside.by_job->running;
  return seems_alive(owner);
}

// Of what ended with an exit status: that, and where to read why.
void read_end(const SweepRun& run, TaskResult& result) {
  std::istringstream(read_text(status_file(run))) >> result.status;
  const bool diverged = result.status == static_cast<int>(ExitCode::diverged);
  result.state = diverged ? TaskState::diverged : TaskState::failed;
  if (diverged) {
    result.diverged = true;
    result.loss.reset();
  }
  std::vector<fs::path> logs = {run.launch_output(), trainer::RunDirectory{run.folder}.log()};
  if (fs::exists(start_file(run))) {
    const auto start = nlohmann::json::parse(read_text(start_file(run)));
    result.job = start.at("job");
    logs.insert(logs.begin(), fs::path(start.at("log").get<std::string>()));
  }
  for (const fs::path& log : logs) {
    if (result.log.empty() && fs::is_regular_file(log)) result.log = log;
  }
}

// A task that is finished has not failed, whatever went wrong before; nor has one that runs or will be tried
// again.
void read_state(const SweepRun& run, const Outside& outside, TaskResult& result) {
  const auto owner = owner_of(run);
  const bool begun = result.step > 0 || owner;
  if (owner) result.attempts = owner->number;
  if (result.state == TaskState::finished) return;
  const auto entry = outside.by_task ? outside.by_task : outside.by_job;
  result.queued = entry && entry->waiting;
  if (entry) {
    result.job = entry->job;
    result.node = entry->node;
  }
  if (owner && is_running(*owner, outside)) {
    result.state = TaskState::running;
    if (result.node.empty()) result.node = owner->attempt.host;
    if (result.job.empty()) result.job = owner->attempt.job;
  } else if (result.queued) {
    result.state = begun ? TaskState::preempted : TaskState::waiting;
  } else if (fs::exists(status_file(run))) {
    read_end(run, result);
  } else if (entry && entry->running) {
    result.state = TaskState::running;
  } else if (begun) {
    result.state = TaskState::preempted;
  }
}

}  // namespace

std::string name_of(TaskState state) {
  switch (state) {
    case TaskState::waiting:
      return "waiting";
    case TaskState::running:
      return "running";
    case TaskState::preempted:
      return "preempted";
    case TaskState::finished:
      return "finished";
    case TaskState::failed:
      return "failed";
    case TaskState::diverged:
      break;
  }
  return "diverged";
}

TaskResult read_result(const SweepRun& run, const Outside& outside) {
  TaskResult result;
  const trainer::RunDirectory directory{run.folder};
  const auto newest = newest_manifest(run);
  const Plan plan = plan_of(run, newest);
  result.steps = plan.steps;
  result.epochs = plan.epochs;
  try {
    if (fs::exists(directory.metrics())) read_metrics(directory.metrics(), result);
    // Earlier builds left no record of the end, and did not say in a checkpoint how long the run is.
    const bool recorded = newest && (newest->planned_steps == 0 || trainer::read_finished(directory));
    if (recorded && is_finished(plan, newest->state, result)) result.state = TaskState::finished;
    read_state(run, outside, result);
  } catch (const nlohmann::json::exception& e) {
    throw Error(ExitCode::bad_data, fmt::format("{}: {}", start_file(run).string(), e.what()));
  }
  if (result.state != TaskState::running) {
    result.images_per_s.reset();
    result.seconds_left.reset();
  }
  return result;
}

SweepResults read_results(const Sweep& sweep) {
  std::set<std::string> jobs;
  std::vector<std::string> job_of;
  for (const SweepRun& run : sweep.runs) {
    const auto owner = owner_of(run);
    const bool may_live = owner && owner->life != LastOwner::Life::ended;
    job_of.push_back(owner ? owner->attempt.job : "");
    if (may_live && !job_of.back().empty()) jobs.insert(job_of.back());
  }
  const SweepQueue queue = ask_queue(sweep.folder, jobs);
  const auto entry = [](const std::map<std::string, QueueEntry>& entries, const std::string& key) {
    const auto found = entries.find(key);
    return found == entries.end() ? std::nullopt : std::optional(found->second);
  };
  SweepResults results{{}, queue.asked && !queue.answered};
  for (std::size_t i = 0; i < sweep.runs.size(); ++i) {
    const SweepRun& run = sweep.runs[i];
    results.tasks.push_back(read_result(
        run, {queue.answered, entry(queue.by_job, job_of[i]), entry(queue.by_task, run.task.name)}));
  }
  return results;
}

std::string owned_elsewhere(const SweepRun& run, const std::string& own_job) {
  const auto owner = owner_of(run);
  if (!owner || (!own_job.empty() && owner->attempt.job == own_job)) return "";
  return is_running(*owner, {}) ? owner->attempt.description() : "";
}

void keep_status(const SweepRun& run, int status) {
  if (status != 0) {
    write_text_atomically(status_file(run), fmt::format("{}\n", status));
  } else if (fs::exists(status_file(run))) {
    fs::remove(status_file(run));
  }
}

void keep_start(const SweepRun& run, const std::string& job, const fs::path& log) {
  keep_status(run, 0);
  write_text_atomically(start_file(run),
                        nlohmann::ordered_json({{"job", job}, {"log", log.string()}}).dump() + "\n");
}

std::vector<std::size_t> ranking(const std::vector<TaskResult>& results, SweepMetric asked) {
  const SweepMetric metric = chosen(asked, results);
  const bool most = metric == SweepMetric::top1 || metric == SweepMetric::top5;
  std::vector<std::size_t> order(results.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    if (results[a].diverged != results[b].diverged) return results[b].diverged;
    const auto x = value_of(results[a], metric), y = value_of(results[b], metric);
    if (!x || !y) return x.has_value() && !y.has_value();
    return most ? *x > *y : *x < *y;
  });
  return order;
}

}  // namespace vitrail::launcher
