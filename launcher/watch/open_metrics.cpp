#include "launcher/watch/open_metrics.hpp"

#include <array>

#include <fmt/format.h>

namespace vitrail::launcher {
namespace {

struct Gauge {
  const char* name;
  const char* help;
  std::optional<double> (*value)(const Glance&);
};

std::optional<double> known(std::int64_t count) {
  return count > 0 ? std::optional(static_cast<double>(count)) : std::nullopt;
}

const std::array<Gauge, 13> kGauges = {{
    {"vitrail_running", "Whether a process owns the run.",
     [](const Glance& run) { return std::optional(run.state == RunState::running ? 1.0 : 0.0); }},
    {"vitrail_finished", "Whether the run has reached its planned end.",
     [](const Glance& run) { return std::optional(run.state == RunState::finished ? 1.0 : 0.0); }},
    {"vitrail_step", "Finished optimizer steps.",
     [](const Glance& run) { return std::optional(static_cast<double>(run.step)); }},
    {"vitrail_planned_steps", "Optimizer steps of the whole run.",
     [](const Glance& run) { return known(run.planned_steps); }},
    {"vitrail_epoch", "Finished epochs, with fraction.",
     [](const Glance& run) { return std::optional(run.epoch); }},
    {"vitrail_loss", "Training loss of the last step.", [](const Glance& run) { return run.loss; }},
    {"vitrail_learning_rate", "Of the last step.", [](const Glance& run) { return run.lr; }},
    {"vitrail_top1_percent", "Of the last evaluation.", [](const Glance& run) { return run.top1; }},
    {"vitrail_images_per_second", "Mean of the last 20 steps.",
     [](const Glance& run) { return run.images_per_s; }},
    {"vitrail_mfu_ratio", "Share of the devices' peak.", [](const Glance& run) { return run.mfu; }},
    {"vitrail_gpu_utilisation_ratio", "Share of the last second or less in which rank 0's GPU was busy.",
     [](const Glance& run) { return run.gpu_utilisation; }},
    {"vitrail_gpu_power_watts", "Of rank 0's GPU.", [](const Glance& run) { return run.gpu_power_w; }},
    {"vitrail_seconds_left", "To the planned end, at the pace of the last steps.",
     [](const Glance& run) { return run.seconds_left; }},
}};

std::string as_label(const std::string& label) {
  std::string safe;
  for (const char c : label)
    safe += c == '\n' ? std::string("\\n") : c == '"' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
  return safe;
}

}  // namespace

std::string open_metrics(const std::vector<Glance>& glances) {
  std::string text;
  for (const Gauge& gauge : kGauges) {
    std::string lines;
    for (const Glance& run : glances) {
      if (const auto value = gauge.value(run))
        lines += fmt::format("{}{{run=\"{}\"}} {}\n", gauge.name, as_label(run.name), *value);
    }
    if (!lines.empty())
      text += fmt::format("# TYPE {0} gauge\n# HELP {0} {1}\n{2}", gauge.name, gauge.help, lines);
  }
  return text + "# EOF\n";
}

}  // namespace vitrail::launcher
