#include "launcher/commands/schedule/schedule_listing.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vitrail::launcher {
namespace {

using trainer::Config;
using trainer::Schedule;

constexpr std::int64_t kListedRows = 40;

// Whole epochs where there are enough of them.
std::set<std::int64_t> listed_steps(const Schedule& schedule) {
  const std::int64_t total = schedule.total_steps(), epoch = schedule.steps_per_epoch();
  const std::int64_t unit = total / epoch >= kListedRows / 4 ? epoch : 1;
  const std::int64_t stride = (total / unit + kListedRows - 1) / kListedRows * unit;
  std::set<std::int64_t> steps = {0, total - 1};
  for (std::int64_t step = 0; step < total; step += std::max<std::int64_t>(stride, 1)) steps.insert(step);
  if (schedule.warmup_steps() < total) steps.insert(schedule.warmup_steps());
  return steps;
}

double epoch_of(const Schedule& schedule, std::int64_t step) {
  return static_cast<double>(step) / static_cast<double>(schedule.steps_per_epoch());
}

}  // namespace

std::string schedule_text(const Config& config, const Schedule& schedule) {
  const bool drops = config.schedule.drop_path_start.has_value();
  std::string text =
      fmt::format("{} steps, {} an epoch\n", schedule.total_steps(), schedule.steps_per_epoch());
  for (const std::string& note : schedule_notes(config, schedule)) text += note + "\n";
  text += fmt::format("{:>8} {:>10} {:>12} {:>13}{}\n", "epoch", "step", "lr", "weight decay",
                      drops ? " drop-path" : "");
  for (const std::int64_t step : listed_steps(schedule)) {
    text += fmt::format("{:>8.2f} {:>10} {:>12.6g} {:>13.6g}", epoch_of(schedule, step), step,
                        schedule.lr(step), schedule.weight_decay(step));
    text += drops ? fmt::format(" {:>9.4g}\n", schedule.drop_path(step)) : "\n";
  }
  return text;
}

std::string schedule_json(const Config& config, const Schedule& schedule) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const std::int64_t step : listed_steps(schedule)) {
    rows.push_back({{"epoch", epoch_of(schedule, step)},
                    {"step", step},
                    {"lr", schedule.lr(step)},
                    {"weight_decay", schedule.weight_decay(step)},
                    {"drop_path", schedule.drop_path(step)}});
  }
  const nlohmann::ordered_json json = {{"steps", schedule.total_steps()},
                                       {"steps_per_epoch", schedule.steps_per_epoch()},
                                       {"peak_lr", trainer::peak_lr(config)},
                                       {"notes", schedule_notes(config, schedule)},
                                       {"rows", rows}};
  return json.dump() + "\n";
}

}  // namespace vitrail::launcher
