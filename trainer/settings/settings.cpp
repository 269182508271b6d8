#include "trainer/settings/settings.hpp"

#include <algorithm>

#include "trainer/base/error.hpp"
#include "trainer/settings/sections/sections.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {
namespace {

std::vector<Setting> make_table() {
  std::vector<Setting> table;
  add_run_settings(table);
  add_task_settings(table);
  add_data_settings(table);
  add_augment_settings(table);
  add_model_settings(table);
  add_finetune_settings(table);
  add_loss_settings(table);
  add_dino_settings(table);
  add_mae_settings(table);
  add_grafit_settings(table);
  add_linear_settings(table);
  add_distillation_settings(table);
  add_optimizer_settings(table);
  add_ema_settings(table);
  add_schedule_settings(table);
  add_precision_settings(table);
  add_sharding_settings(table);
  add_checkpoint_settings(table);
  add_guard_settings(table);
  add_watchdog_settings(table);
  add_evaluate_settings(table);
  add_log_settings(table);
  return table;
}

// In the order of the table.
std::vector<std::pair<std::string, std::string>> in_use(const Config& config) {
  std::vector<std::pair<std::string, std::string>> settings;
  for (const Setting& setting : setting_table()) {
    const auto value = setting.of_runs && !setting.unmet(config) ? setting.get(config) : std::nullopt;
    if (value) settings.emplace_back(setting.key, *value);
  }
  return settings;
}

}  // namespace

const std::vector<Setting>& setting_table() {
  static const std::vector<Setting> table = make_table();
  return table;
}

const Setting* find_setting(const std::string& key) {
  const std::vector<Setting>& table = setting_table();
  const auto found = std::ranges::find(table, key, &Setting::key);
  return found == table.end() ? nullptr : &*found;
}

SettingsMap settings_of(const Config& config) {
  const auto settings = in_use(config);
  return {settings.begin(), settings.end()};
}

SettingsMap default_settings() {
  const Config config;
  SettingsMap settings;
  for (const Setting& setting : setting_table()) {
    const auto value = setting.of_runs ? setting.get(config) : std::nullopt;
    if (value) settings[setting.key] = *value;
  }
  return settings;
}

std::string config_text(const Config& config) { return ini_text(in_use(config)); }

std::string ini_text(const std::vector<std::pair<std::string, std::string>>& settings) {
  std::string text, section;
  for (const auto& [key, value] : settings) {
    const std::size_t dot = key.find('.');
    if (key.substr(0, dot) != section) {
      text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", key.substr(0, dot));
      section = key.substr(0, dot);
    }
    text += fmt::format("{} ={}{}\n", key.substr(dot + 1), value.empty() ? "" : " ", value);
  }
  return text;
}

// An optional number that is not set has no value to read.
Config config_of(const SettingsMap& settings, const std::string& place, std::string_view section) {
  Config config;
  for (const auto& [key, value] : settings) {
    const Setting* setting = key.starts_with(section) ? find_setting(key) : nullptr;
    if (setting == nullptr || value == setting->get(config) || setting->set(config, value)) continue;
    if (value.empty() && !setting->get(config)) continue;
    throw Error(ExitCode::bad_data,
                fmt::format("{}: {} = {}: {}", place, key, value, setting->refusal(value)));
  }
  return config;
}

std::optional<models::TaskHead> task_head_of(const SettingsMap& settings, const std::string& place) {
  switch (config_of(settings, place, "task.").task.name) {
    case TaskName::dino:
      return config_of(settings, place, "dino.").dino.head;
    case TaskName::mae:
      return config_of(settings, place, "mae.").mae.head;
    case TaskName::grafit:
      return embedding_of(config_of(settings, place, "grafit.").grafit);
    case TaskName::linear:
      return config_of(settings, place, "linear.").linear;
    case TaskName::classification:
      break;
  }
  return std::nullopt;
}

const std::vector<std::string>& network_keys() {
  static const std::vector<std::string> keys = {"model.name",    "model.patch",      "model.width",
                                                "model.depth",   "model.heads",      "model.parallel",
                                                "model.pooling", "model.layer_scale"};
  return keys;
}

models::ModelConfig network_of(const SettingsMap& settings, const std::string& place) {
  if (!settings.contains("model.name")) {
    throw Error(ExitCode::bad_data, fmt::format("{}: its settings have no model.name", place));
  }
  SettingsMap own;
  for (const std::string& key : network_keys()) {
    if (const auto found = settings.find(key); found != settings.end()) own.insert(*found);
  }
  return config_of(own, place).model;
}

}  // namespace vitrail::trainer
