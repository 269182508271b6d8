#include "launcher/sweep/runs.hpp"

#include <algorithm>

#include "launcher/options/options.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/settings/run_identity.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> words_of(const std::vector<std::string>& shared, const SweepTask& task,
                                  const fs::path& folder) {
  std::vector<std::string> words = {"launch"};
  words.insert(words.end(), shared.begin(), shared.end());
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
  if (parsed.answer || parsed.flags_given.contains("print-schedule")) {
    throw Error(ExitCode::usage, "command line: a sweep prints no settings; ask `vitrail launch` for them");
  }
  return parsed;
}

// The grid would win without a word.
void check_given_once(const GivenWords& given, const std::string& grid,
                      const std::vector<std::string>& keys) {
  for (const auto& [key, value] : given.flags) {
    if (std::ranges::find(keys, key) != keys.end())
      throw Error(ExitCode::usage,
                  fmt::format("command line: --{}: {} varies this; leave one out", key, grid));
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// What the files say now, beside the same flags. Files that are gone or broken since concern nobody.
std::string notice_of(const Sweep& sweep, const SharedSettings& frozen, const std::vector<Option>& options) {
  if (sweep.given.files.empty()) return "";
  const std::string kept = frozen_file(sweep.folder).string();
  try {
    SharedSettings now = read_files(sweep.given.files);
    GivenWords flags_of_then;
    for (const std::string& key : frozen.words) {
      if (frozen.values.contains(key)) flags_of_then.flags.emplace_back(key, frozen.values.at(key));
    }
    apply_flags(flags_of_then, now);
    apply_flags(sweep.given, now);
    const std::string otherwise = differences(sweep.shared, now, options);
    if (otherwise.empty()) return "";
    return fmt::format("{} now: {}; the tasks use {}; --change takes the files as they are",
                       joined(sweep.given.files), otherwise, kept);
  } catch (const Error& e) {
    return fmt::format("{}; the tasks use {}", e.what(), kept);
  }
}

void take_words(const std::vector<std::string>& launch_words, bool change, const std::vector<Option>& options,
                Sweep& sweep) {
  sweep.given = sort_words(launch_words, options);
  sweep.fixed = names_frozen(sweep.given, sweep.folder);
  const auto frozen = sweep.fixed || change ? std::nullopt : read_frozen(sweep.folder);
  sweep.launch_words = launch_words;
  if (!frozen) return;
  sweep.begun = true;
  sweep.shared = *frozen;
  apply_flags(sweep.given, sweep.shared);
  sweep.notice = notice_of(sweep, *frozen, options);
  std::vector<std::string>& words = sweep.launch_words;
  words = {"--config", frozen_file(sweep.folder).string()};
  words.insert(words.end(), sweep.given.rest.begin(), sweep.given.rest.end());
  words.insert(words.end(), sweep.given.flag_words.begin(), sweep.given.flag_words.end());
}

// Once the words of the tasks have proved that the files can be read.
void take_named_settings(Sweep& sweep) {
  if (sweep.fixed || sweep.begun) return;
  sweep.shared = read_files(sweep.given.files);
  apply_flags(sweep.given, sweep.shared);
}

}  // namespace

Sweep read_sweep(const CommandLine& line) {
  const auto& flags = line.own<SweepFlags>();
  const fs::path path = line.arguments.front();
  if (!fs::is_regular_file(path))
    throw Error(ExitCode::usage, fmt::format("{}: there is no such grid file", path.string()));
  Sweep sweep;
  sweep.name = path.stem().string();
  sweep.text = read_written_text(path, ExitCode::usage);
  sweep.folder = flags.output.empty() ? fs::path("runs") / sweep.name : fs::path(flags.output);
  const std::vector<Option> options = make_options();
  SweepPlan plan = plan_sweep(path.string(), sweep.text, options);
  take_words(line.passed_on, flags.change, options, sweep);
  check_given_once(sweep.given, path.string(), plan.keys);
  sweep.keys = std::move(plan.keys);
  for (SweepTask& task : plan.tasks) {
    SweepRun run;
    run.number = sweep.runs.size();
    run.folder = sweep.folder / task.name;
    run.words = words_of(sweep.launch_words, task, run.folder);
    const CommandLine parsed = parse_task(task, run.words);
    run.config = parsed.config;
    run.settings = resolved_settings(parsed);
    run.task = std::move(task);
    sweep.runs.push_back(std::move(run));
  }
  take_named_settings(sweep);
  return sweep;
}

void freeze(Sweep& sweep) {
  if (sweep.fixed) return;
  std::vector<std::string>& words = sweep.launch_words;
  words = {"--config", write_frozen(sweep.folder, sweep.shared).string()};
  words.insert(words.end(), sweep.given.rest.begin(), sweep.given.rest.end());
  for (SweepRun& run : sweep.runs) run.words = words_of(words, run.task, run.folder);
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
    if (is == run.settings.end() || is->second == was || trainer::keeps_results_comparable(key)) continue;
    throw Error(
        ExitCode::refused,
        fmt::format("{} was begun with {} = {}, now it is {}", run.folder.string(), key, was, is->second),
        "set it back, or give the sweep another --output: its tasks would not be comparable");
  }
}

}  // namespace vitrail::launcher
