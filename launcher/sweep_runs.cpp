#include "launcher/sweep_runs.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "launcher/options.hpp"
#include "launcher/options_text.hpp"
#include "trainer/base/atomic_file.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/settings/setting_patterns.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

// Where things lie, how they are watched and how fast they go: no result depends on them.
constexpr std::array<std::string_view, 15> kNoResult = {"run.name",
                                                        "run.dir",
                                                        "run.device",
                                                        "run.threads",
                                                        "run.peak_tflops",
                                                        "data.workers",
                                                        "data.stage_dir",
                                                        "data.prefetch_steps",
                                                        "evaluate.batch_size",
                                                        "evaluate.every",
                                                        "checkpoint.",
                                                        "log.",
                                                        "launch.",
                                                        "sharding.",
                                                        "model.activation_checkpointing"};

std::vector<std::string> words_of(const CommandLine& line, const SweepTask& task, const fs::path& folder) {
  std::vector<std::string> words = {"launch"};
  words.insert(words.end(), line.launch_arguments.begin(), line.launch_arguments.end());
  for (const auto& [key, value] : task.settings) {
    words.push_back("--" + key);
    words.push_back(value);
  }
  words.insert(words.end(), {"--run.dir", folder.string()});
  return words;
}

CommandLine parse_task(const SweepTask& task, const std::vector<std::string>& words) {
  CommandLine parsed;
  try {
    parsed = parse_command_line(words);
  } catch (const Error& e) {
    throw e.in("task " + task.name);
  }
  if (parsed.answer || parsed.flags.print_schedule) {
    throw Error(ExitCode::usage, "command line: a sweep prints no settings; ask `vitrail launch` for them");
  }
  return parsed;
}

// The grid would win without a word.
void check_given_once(const CommandLine& line, const std::string& grid, const std::vector<std::string>& keys,
                      const std::vector<Option>& options) {
  for (const Setting& flag : split_flags(line.launch_arguments, options).flags) {
    if (std::ranges::find(keys, flag.key) != keys.end())
      throw Error(ExitCode::usage,
                  fmt::format("command line: --{}: {} varies this; leave one out", flag.key, grid));
  }
}

}  // namespace

Sweep read_sweep(const CommandLine& line) {
  const fs::path path = line.paths.front();
  if (!fs::is_regular_file(path))
    throw Error(ExitCode::usage, fmt::format("{}: there is no such grid file", path.string()));
  Sweep sweep;
  sweep.name = path.stem().string();
  sweep.text = read_text(path);
  sweep.folder = line.flags.output.empty() ? fs::path("runs") / sweep.name : fs::path(line.flags.output);
  const std::vector<Option> options = make_options();
  SweepPlan plan = plan_sweep(path.string(), sweep.text, options);
  check_given_once(line, path.string(), plan.keys, options);
  sweep.keys = std::move(plan.keys);
  for (SweepTask& task : plan.tasks) {
    SweepRun run;
    run.number = sweep.runs.size();
    run.folder = sweep.folder / task.name;
    run.words = words_of(line, task, run.folder);
    const CommandLine parsed = parse_task(task, run.words);
    run.config = parsed.config;
    run.settings = resolved_settings(parsed);
    run.task = std::move(task);
    sweep.runs.push_back(std::move(run));
  }
  return sweep;
}

std::optional<trainer::CheckpointManifest> newest_manifest(const SweepRun& run) {
  for (const fs::path& checkpoint : trainer::list_checkpoints(run.folder / "checkpoints")) {
    try {
      return trainer::read_checkpoint_manifest(checkpoint);
    } catch (const Error& e) {
      if (e.code() != ExitCode::bad_data) throw;
    }
  }
  return std::nullopt;
}

void check_unchanged(const SweepRun& run) {
  const auto newest = newest_manifest(run);
  if (!newest) return;
  for (const auto& [key, was] : newest->settings) {
    const auto is = run.settings.find(key);  // absent: of another version of the program
    if (is == run.settings.end() || is->second == was || trainer::matches_any(kNoResult, key)) continue;
    throw Error(
        ExitCode::refused,
        fmt::format("{} was begun with {} = {}, now it is {}", run.folder.string(), key, was, is->second),
        "set it back, or give the sweep another --output: its tasks would not be comparable");
  }
}

}  // namespace vitrail::launcher
