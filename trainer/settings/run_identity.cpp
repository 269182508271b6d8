#include "trainer/settings/run_identity.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace vitrail::trainer {

Effect effect_of(const std::string& key) {
  if (const Setting* setting = find_setting(key)) return setting->effect;
  const std::string section = key.substr(0, key.find('.') + 1);
  std::optional<Effect> strictest;
  for (const Setting& setting : setting_table()) {
    if (setting.key.starts_with(section))
      strictest = std::min(strictest.value_or(setting.effect), setting.effect);
  }
  return section.empty() ? Effect::identity : strictest.value_or(Effect::identity);
}

bool is_identity(const std::string& key) { return effect_of(key) == Effect::identity; }

bool changes_silently(const std::string& key) {
  const Effect effect = effect_of(key);
  return effect == Effect::speed || effect == Effect::place;
}

bool keeps_results_comparable(const std::string& key) {
  return effect_of(key) == Effect::rounding || changes_silently(key);
}

std::string value_of(const SettingsMap& settings, const std::string& key) {
  const auto found = settings.find(key);
  return found == settings.end() ? "unset" : found->second;
}

SettingsMap merged_keys(const SettingsMap& a, const SettingsMap& b) {
  SettingsMap all = a;
  all.insert(b.begin(), b.end());
  return all;
}

std::string why_refused(const SettingsMap& stored, const SettingsMap& current) {
  const auto refusal = [&](const std::string& key) -> std::string {
    const std::string was = value_of(stored, key), is = value_of(current, key);
    return is_identity(key) && was != is ? fmt::format("{} was {}, is {}", key, was, is) : "";
  };
  std::string first = refusal("task.name");  // others differ with it
  if (first.empty()) first = refusal("model.name");
  for (const auto& [key, unused] : merged_keys(stored, current))
    if (first.empty()) first = refusal(key);
  return first;
}

}  // namespace vitrail::trainer
