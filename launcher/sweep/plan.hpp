// A grid file -> the tasks of a sweep, each a list of settings; a pure function of the text. [grid]: every
// combination of lists, the last key fastest. [zip]: lists of one length side by side. [random]: `count`
// different draws, with `seed`, from laws (sweep_values.hpp). What a file has of these multiplies.
// Throws: Error(usage) naming file, line, key and cause.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "launcher/options/option.hpp"

namespace vitrail::launcher {

struct SweepTask {
  std::vector<std::pair<std::string, std::string>> settings;  // key, value as --print-config shows it
  std::string name;  // "lr-0.001_heads-3": of a folder; the same for the same settings
};

struct SweepPlan {
  std::vector<std::string> keys;  // what varies, in the order of every task's settings
  std::vector<SweepTask> tasks;
};

// `path` is for messages; `options`: those of `vitrail launch` are what may vary.
SweepPlan plan_sweep(const std::string& path, const std::string& text, const std::vector<Option>& options);

// "0-3,7": rising numbers of tasks as `sbatch --array` takes them.
std::string array_ranges(const std::vector<std::size_t>& numbers);

}  // namespace vitrail::launcher
