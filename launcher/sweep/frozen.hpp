// The settings that all tasks of a sweep share, kept in its folder from when it is submitted or first run: a
// config file may be edited while tasks wait. config-HASH.cfg is named by its content, so that what queued
// tasks read never changes; config.cfg is a copy of the one that later commands go on with.
// Throws: Error(usage) of the files that are read; Error(io).
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "launcher/cli/command_line.hpp"
#include "launcher/options/option.hpp"

namespace vitrail::launcher {

// The words for each task's `vitrail launch`, sorted out.
struct GivenWords {
  std::vector<std::string> files;                          // of --config
  std::vector<std::pair<std::string, std::string>> flags;  // settings, in their order
  std::vector<std::string> flag_words;                     // the same as they were written
  std::vector<std::string> rest;                           // -n and what else no file can hold
};

GivenWords sort_words(const std::vector<std::string>& launch_arguments, const std::vector<Option>& options);

struct SharedSettings {
  SettingsMap values;           // as they were given; all else has its default
  std::set<std::string> words;  // keys that flags gave
};

SharedSettings read_files(const std::vector<std::string>& files);

// A length takes the place of one that is counted in the other way, as on the command line.
void apply_flags(const GivenWords& given, SharedSettings& settings);

std::filesystem::path frozen_file(const std::filesystem::path& folder);  // config.cfg
std::optional<SharedSettings> read_frozen(const std::filesystem::path& folder);
// The path of the file that is named by its content.
std::filesystem::path write_frozen(const std::filesystem::path& folder, const SharedSettings& settings);

// Whether that file is all that is named: the words of an array's task.
bool names_frozen(const GivenWords& given, const std::filesystem::path& folder);

// "run.steps = 150 (frozen: 200), ...": what `now` says otherwise; empty: nothing.
std::string differences(const SharedSettings& frozen, const SharedSettings& now,
                        const std::vector<Option>& options);

}  // namespace vitrail::launcher
