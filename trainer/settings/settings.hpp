// The table of all settings of a run, and a Config as keys and values: what a checkpoint, config.cfg and
// --print-config hold.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trainer/settings/config.hpp"
#include "trainer/settings/setting.hpp"

namespace vitrail::trainer {

using SettingsMap = std::map<std::string, std::string>;  // "run.lanes" -> "4"

const std::vector<Setting>& setting_table();          // in the order of help
const Setting* find_setting(const std::string& key);  // null: there is none

// What a run's settings are: those that do something under the others.
SettingsMap settings_of(const Config& config);
SettingsMap default_settings();  // where nothing is given, conditions aside

// The same as a file that can be given back to --config.
std::string config_text(const Config& config);

// Keys and values as such a file, in their order: [section], then key = value.
std::string ini_text(const std::vector<std::pair<std::string, std::string>>& settings);

// A configuration with these values, from keys that begin with `section`; what the table does not know is
// passed over. Throws: Error(bad_data) that names `place`, key and value for what is none.
Config config_of(const SettingsMap& settings, const std::string& place, std::string_view section = "");

// The head in the classifier's place that a run with these settings trained. Throws: as config_of.
std::optional<models::TaskHead> task_head_of(const SettingsMap& settings, const std::string& place);

// Keys that tell which network it is, as far as its parameters tell: not how it is trained, not on what.
const std::vector<std::string>& network_keys();

// The network that a run with these settings trained, by those keys. Throws: as config_of, and where they do
// not name it.
models::ModelConfig network_of(const SettingsMap& settings, const std::string& place);

}  // namespace vitrail::trainer
