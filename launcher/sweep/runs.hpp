// The tasks of a sweep as runs: each has its own folder and the words of its `vitrail launch`, and is checked
// as that command would check them. A sweep that was begun goes on with the settings that were frozen then
// (sweep_frozen.hpp). Throws: Error of the grid file (sweep_plan.hpp) or of the command line, with the task's
// name; Error(refused) for a folder that holds a run with other settings.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "launcher/sweep/flags.hpp"
#include "launcher/sweep/frozen.hpp"
#include "launcher/sweep/plan.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::launcher {

struct SweepRun {
  std::size_t number = 0;
  SweepTask task;
  std::filesystem::path folder;
  std::vector<std::string> words;  // what follows the program's name
  trainer::Config config;
  SettingsMap settings;

  std::filesystem::path launch_output() const { return folder / "launch.txt"; }  // of `sweep run`
};

struct Sweep {
  std::string name;               // the grid file's
  std::string text;               // what it holds
  std::filesystem::path folder;   // of all tasks
  std::vector<std::string> keys;  // what varies
  std::vector<SweepRun> runs;
  GivenWords given;
  std::vector<std::string> launch_words;  // of every task's `launch`, before what varies
  SharedSettings shared;                  // of all tasks
  bool fixed = false;                     // the words name a frozen file: nothing is to be kept
  bool begun = false;                     // frozen settings were found
  std::string notice;  // what the config files say otherwise than the frozen settings; empty: nothing
};

Sweep read_sweep(const CommandLine& line);  // of `vitrail sweep`

// Keeps the settings for all tasks of now and later, and lets the words of the tasks name what is kept.
void freeze(Sweep& sweep);

// Of the newest checkpoint whose manifest is not damaged: training passes over others, too.
std::optional<trainer::CheckpointManifest> newest_manifest(const SweepRun& run);

// Refuses a run that was begun with settings that lead elsewhere.
void check_unchanged(const SweepRun& run);

}  // namespace vitrail::launcher
