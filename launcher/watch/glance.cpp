#include "launcher/watch/glance.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "launcher/options/options_text.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/base/text/duration.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/base/text/table.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/checkpoint/run_progress.hpp"
#include "trainer/metrics_reader.hpp"
#include "trainer/settings/setting_value.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kTail = 64 << 10;  // bytes: more than a hundred steps
constexpr std::size_t kRateSteps = 20;

struct Step {
  std::int64_t step = 0, attempt = 0;
  double epoch = 0;
  std::optional<double> time, seconds, loss, lr, images_per_s, mfu, gpu_utilisation, gpu_power_w;
};

std::optional<double> number_in(const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

struct Tail {
  std::vector<Step> steps;
  std::optional<double> top1;
};

Tail read_tail(const fs::path& metrics) {
  Tail tail;
  if (!fs::exists(metrics)) return tail;
  trainer::MetricsReader(metrics, kTail).each([&](const nlohmann::json& line) {
    if (line.contains("gone_back")) return;
    if (line.contains("eval")) {
      if (const auto top1 = number_in(line["eval"], "top1")) tail.top1 = top1;
      return;
    }
    tail.steps.push_back({line.value("step", std::int64_t{0}), line.value("attempt", std::int64_t{0}),
                          line.value("epoch", 0.0), seconds_of_utc(line.value("time", "")),
                          number_in(line, "seconds"), number_in(line, "loss"), number_in(line, "lr"),
                          number_in(line, "images_per_s"), number_in(line, "mfu"),
                          number_in(line, "gpu_utilisation"), number_in(line, "gpu_power_w")});
  });
  return tail;
}

// When this attempt began or last saved, and the length of the run.
struct Origin {
  std::int64_t planned_steps = 0;
  std::optional<double> saved;
};

Origin read_origin(const trainer::RunDirectory& directory) {
  Origin origin;
  if (fs::exists(directory.events())) {
    trainer::MetricsReader(directory.events()).each([&](const nlohmann::json& event) {
      const std::string kind = event.value("kind", "");
      if (kind == "begin" || kind == "saved") origin.saved = seconds_of_utc(event.value("time", ""));
      if (kind == "begin") origin.planned_steps = event.value("planned_steps", std::int64_t{0});
    });
  }
  const auto progress = origin.planned_steps > 0 ? std::nullopt : trainer::run_progress(directory);
  if (progress) origin.planned_steps = progress->planned;
  return origin;
}

std::optional<Duration> checkpoint_every(const fs::path& config) {
  if (!fs::exists(config)) return std::nullopt;
  Duration every;
  for (const Setting& setting : split_file(config.string(), read_written_text(config, ExitCode::usage))) {
    if (setting.key == "checkpoint.every" && trainer::read(setting.value, every)) return every;
  }
  return std::nullopt;
}

// Evaluations and checkpoints between the steps count, a wait for the next attempt does not.
std::optional<double> pace(const std::vector<Step>& steps) {
  const Step& last = steps.back();
  const auto first = std::ranges::find_if(
      steps, [&](const Step& step) { return step.attempt == last.attempt && step.time.has_value(); });
  if (first != steps.end() && last.time && last.step > first->step)
    return (*last.time - *first->time) / static_cast<double>(last.step - first->step);
  return last.seconds;
}

std::optional<double> mean_rate(const std::vector<Step>& steps) {
  double sum = 0;
  std::size_t count = 0;
  for (auto step = steps.rbegin(); step != steps.rend() && count < kRateSteps; ++step) {
    if (!step->images_per_s) break;
    sum += *step->images_per_s;
    ++count;
  }
  return count == 0 ? std::nullopt : std::optional(sum / static_cast<double>(count));
}

// All times are the run's own, by its clock: ours is not asked.
std::optional<double> to_checkpoint(const Duration& every, const Step& last, const Origin& origin,
                                    double step_seconds) {
  if (every.count == 0) return std::nullopt;
  if (every.unit == Duration::Unit::seconds) {
    if (!origin.saved || !last.time) return std::nullopt;
    return std::max(0.0, static_cast<double>(every.count) - (*last.time - *origin.saved));
  }
  const double steps_per_epoch = last.epoch > 0 ? std::round(static_cast<double>(last.step) / last.epoch) : 1;
  const double each =
      static_cast<double>(every.count) * (every.unit == Duration::Unit::epochs ? steps_per_epoch : 1);
  const auto step = static_cast<double>(last.step);
  return (each * (std::floor(step / each) + 1) - step) * step_seconds;
}

void estimate(const trainer::RunDirectory& directory, const std::vector<Step>& steps, const Origin& origin,
              Glance& glance) {
  glance.step_seconds = pace(steps);
  if (!glance.step_seconds || glance.state != RunState::running) return;
  if (glance.planned_steps > 0)
    glance.seconds_left = *glance.step_seconds * static_cast<double>(glance.planned_steps - glance.step);
  const auto every = checkpoint_every(directory.config());
  if (!every) return;
  glance.seconds_to_checkpoint = to_checkpoint(*every, steps.back(), origin, *glance.step_seconds);
  if (glance.seconds_left && glance.seconds_to_checkpoint)  // the end saves, too
    glance.seconds_to_checkpoint = std::min(*glance.seconds_to_checkpoint, *glance.seconds_left);
}

std::string planned(const Glance& glance) {
  return glance.planned_steps > 0 ? fmt::format("{} of {}", glance.step, glance.planned_steps)
                                  : fmt::to_string(glance.step);
}

std::string or_dash(const std::optional<double>& value, int digits) {
  return value ? fmt::format("{:.{}f}", *value, digits) : "-";
}

}  // namespace

bool Glance::may_go_on() const {
  return state == RunState::running || state == RunState::waiting || state == RunState::preempted;
}

Glance glance_at(const fs::path& folder) {
  const trainer::RunDirectory directory{folder};
  Glance glance;
  glance.name = (folder.filename().empty() ? folder.parent_path() : folder).filename().string();
  glance.state = state_of(directory);
  const Origin origin = read_origin(directory);
  glance.planned_steps = origin.planned_steps;
  const Tail tail = read_tail(directory.metrics());
  glance.top1 = tail.top1;
  if (tail.steps.empty()) return glance;
  const Step& last = tail.steps.back();
  glance.step = last.step;
  glance.epoch = last.epoch;
  glance.loss = last.loss;
  glance.lr = last.lr;
  glance.mfu = last.mfu;
  glance.gpu_utilisation = last.gpu_utilisation;
  glance.gpu_power_w = last.gpu_power_w;
  glance.images_per_s = mean_rate(tail.steps);
  estimate(directory, tail.steps, origin, glance);
  return glance;
}

std::string one_line(const Glance& glance) {
  std::string text = fmt::format("{}: step {}, epoch {:.2f}", glance.name, planned(glance), glance.epoch);
  if (glance.loss) text += fmt::format(", loss {:.4f}", *glance.loss);
  if (glance.top1) text += fmt::format(", top-1 {:.2f} %", *glance.top1);
  if (glance.images_per_s) text += fmt::format(", {:.0f} images/s", *glance.images_per_s);
  if (glance.mfu) text += fmt::format(", MFU {:.1f} %", 100 * *glance.mfu);
  if (glance.seconds_left) text += ", ETA " + format_duration(*glance.seconds_left);
  if (glance.seconds_to_checkpoint)
    text += ", next checkpoint in " + format_duration(*glance.seconds_to_checkpoint);
  return glance.state == RunState::running ? text : fmt::format("{} ({})", text, name_of(glance.state));
}

std::string glances_text(const std::vector<Glance>& glances) {
  Rows rows = {{"run", "state", "steps", "epoch", "loss", "top-1", "images/s", "ETA", "checkpoint in"}};
  for (const Glance& one : glances) {
    rows.push_back({one.name, name_of(one.state), planned(one), fmt::format("{:.2f}", one.epoch),
                    or_dash(one.loss, 4), or_dash(one.top1, 2), or_dash(one.images_per_s, 0),
                    one.seconds_left ? format_duration(*one.seconds_left) : "-",
                    one.seconds_to_checkpoint ? format_duration(*one.seconds_to_checkpoint) : "-"});
  }
  std::string sum = fmt::format("{} runs", glances.size());
  std::string separator = ": ";
  for (const RunState state : {RunState::finished, RunState::running, RunState::preempted, RunState::waiting,
                               RunState::interrupted, RunState::failed}) {
    const auto count = std::ranges::count(glances, state, &Glance::state);
    if (count == 0) continue;
    sum += fmt::format("{}{} {}", separator, count, name_of(state));
    separator = ", ";
  }
  return in_columns(rows) + sum + "\n";
}

std::string glances_json(const std::vector<Glance>& glances) {
  const auto number = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Glance& one : glances) {
    all.push_back({{"name", one.name},
                   {"state", name_of(one.state)},
                   {"step", one.step},
                   {"planned_steps", one.planned_steps > 0 ? nlohmann::ordered_json(one.planned_steps)
                                                           : nlohmann::ordered_json()},
                   {"epoch", one.epoch},
                   {"loss", number(one.loss)},
                   {"lr", number(one.lr)},
                   {"top1", number(one.top1)},
                   {"images_per_s", number(one.images_per_s)},
                   {"mfu", number(one.mfu)},
                   {"gpu_utilisation", number(one.gpu_utilisation)},
                   {"gpu_power_w", number(one.gpu_power_w)},
                   {"step_seconds", number(one.step_seconds)},
                   {"seconds_left", number(one.seconds_left)},
                   {"seconds_to_checkpoint", number(one.seconds_to_checkpoint)}});
  }
  return all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace vitrail::launcher
