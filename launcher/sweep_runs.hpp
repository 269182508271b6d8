// The tasks of a sweep as runs: each has its own folder and the words of its `vitrail launch`, and is checked
// as that command would check them. Throws: Error of the grid file (sweep_plan.hpp) or of the command line,
// with the task's name; Error(refused) for a folder that holds a run with other settings.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "launcher/command_line.hpp"
#include "launcher/sweep_plan.hpp"
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
};

Sweep read_sweep(const CommandLine& line);

// Of the newest checkpoint whose manifest is not damaged: training passes over others, too.
std::optional<trainer::CheckpointManifest> newest_manifest(const SweepRun& run);

// Refuses a run that was begun with settings that lead elsewhere.
void check_unchanged(const SweepRun& run);

}  // namespace vitrail::launcher
