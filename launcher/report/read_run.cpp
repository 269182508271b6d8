#include "launcher/report/read_run.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "launcher/options/options_text.hpp"
#include "launcher/report/run_history.hpp"
#include "launcher/report/run_state.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"
#include "trainer/checkpoint/run_progress.hpp"
#include "trainer/metrics_reader.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

// What has a place of its own in the table.
bool is_axis(const std::string& name) {
  return name == "step" || name == "epoch" || name == "attempt" || name == "time";
}

double time_of(const nlohmann::json& line) {
  const auto found = line.find("time");
  if (found == line.end() || !found->is_string()) return kNotKnown;
  return seconds_of_utc(found->get<std::string>()).value_or(kNotKnown);
}

std::int64_t whole(const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  return found != line.end() && found->is_number() ? found->get<std::int64_t>() : 0;
}

// Rows of steps and evaluations.
class TableBuilder {
 public:
  TableBuilder(RunReport& run, RunHistory& history) : run_(run), history_(history) {}

  void add(const nlohmann::json& line) {
    history_.add_metrics(line);
    if (line.contains("gone_back")) return;
    const double since = time_of(line) - history_.begin();
    if (line.contains("eval")) return add_evaluation(line, since);
    StepTable& table = run_.steps;
    for (auto& column : table.columns) column.push_back(kNotKnown);
    table.step.push_back(whole(line, "step"));
    table.epoch.push_back(line.value("epoch", kNotKnown));
    table.attempt.push_back(whole(line, "attempt"));
    computed_ += line.value("seconds", 0.0);
    table.seconds.push_back(std::isnan(since) ? computed_ : since);  // earlier builds wrote no time
    add_numbers(line, "");
  }

 private:
  void add_evaluation(const nlohmann::json& line, double seconds) {
    ReportedEvaluation evaluation{whole(line, "step"), seconds, {}};
    for (const auto& [name, value] : line["eval"].items()) {
      if (name != "images" && value.is_number()) evaluation.scores.emplace_back(name, value.get<double>());
    }
    run_.evaluations.push_back(std::move(evaluation));
  }

  void add_numbers(const nlohmann::json& object, const std::string& prefix) {
    for (const auto& [name, value] : object.items()) {
      if (value.is_object()) add_numbers(value, prefix + name + ".");
      if (value.is_number() && !(prefix.empty() && is_axis(name)))
        column(prefix + name).back() = value.get<double>();
    }
  }

  std::vector<double>& column(const std::string& name) {
    StepTable& table = run_.steps;
    const auto found = std::ranges::find(table.names, name);
    if (found != table.names.end())
      return table.columns[static_cast<std::size_t>(found - table.names.begin())];
    table.names.push_back(name);
    return table.columns.emplace_back(table.rows(), kNotKnown);
  }

  RunReport& run_;
  RunHistory& history_;
  double computed_ = 0;
};

void each_line(const fs::path& file, const std::function<void(const nlohmann::json&)>& take) {
  if (fs::exists(file)) trainer::MetricsReader(file).each(take);
}

SettingsMap settings_in(const fs::path& file) {
  SettingsMap settings;
  if (!fs::exists(file)) return settings;
  for (const Setting& setting : split_file(file.string(), read_written_text(file, ExitCode::usage)))
    settings[setting.key] = setting.value;
  return settings;
}

// Of the newest checkpoint that can be read.
std::vector<std::string> class_names(const trainer::RunDirectory& directory) {
  for (const fs::path& checkpoint : trainer::list_checkpoints(directory.checkpoints())) {
    try {
      return trainer::read_checkpoint_manifest(checkpoint).classes;
    } catch (const Error& e) {
      if (e.code() != ExitCode::bad_data) throw;
    }
  }
  return {};
}

Error unlike_an_evaluation(const fs::path& file) {
  return {ExitCode::bad_data, fmt::format("{}: not what `vitrail eval --format json` prints", file.string()),
          "remove it, or run the evaluation again"};
}

FinalEvaluation final_evaluation(const fs::path& file, const std::vector<std::string>& names) {
  FinalEvaluation result;
  try {
    const nlohmann::json root = nlohmann::json::parse(read_text(file));
    result.images = root.at("images");
    for (const auto& [name, value] : root.items()) {
      if (name != "images" && value.is_number()) result.scores.emplace_back(name, value.get<double>());
    }
    const nlohmann::json used = root.value("used", nlohmann::json::object());
    result.weights = used.value("weights", "");
    result.data = used.value("data", "");
    result.date = used.value("date", "");
    for (const nlohmann::json& one : root.value("classes", nlohmann::json::array())) {
      const std::size_t number = one.at("class");
      result.classes.push_back({number < names.size() ? names[number] : fmt::to_string(number),
                                one.at("images"), one.at("top1"), one.at("top5")});
    }
    for (const nlohmann::json& one : root.value("confusion", nlohmann::json::array())) {
      const ReportedMistakes cell{one.at(0), one.at(1), one.at(2)};
      if (std::max(cell.label, cell.taken_for) >= result.classes.size()) throw unlike_an_evaluation(file);
      result.confusion.push_back(cell);
    }
  } catch (const nlohmann::json::exception&) {
    throw unlike_an_evaluation(file);
  }
  return result;
}

bool is_run(const fs::path& folder) {
  const trainer::RunDirectory directory{folder};
  return fs::exists(directory.metrics()) || fs::exists(directory.owners());
}

std::vector<fs::path> folders_in(const std::string& path) {
  if (!fs::is_directory(path))
    throw Error(ExitCode::usage, fmt::format("{}: there is no such folder", path),
                "name the folder of a run, or of a sweep");
  if (is_run(path)) return {fs::path(path)};
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_directory() && is_run(entry.path())) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  if (found.empty())
    throw Error(ExitCode::usage,
                fmt::format("{}: neither a run (there is no metrics.jsonl in it) nor a folder of runs", path),
                "name the folder of a run, or of a sweep");
  return found;
}

// `name` with the folder before it.
std::string longer(const std::string& name, const fs::path& folder) {
  fs::path left = (fs::absolute(folder) / "").lexically_normal().parent_path();
  const fs::path known = name;
  for ([[maybe_unused]] const fs::path& part : known) left = left.parent_path();
  return (known.empty() ? left.filename() : left.filename() / known).string();
}

}  // namespace

std::vector<NamedFolder> run_folders(const std::vector<std::string>& paths) {
  std::vector<NamedFolder> runs;
  std::set<fs::path> met;
  for (const std::string& path : paths) {
    for (const fs::path& folder : folders_in(path)) {
      if (met.insert(fs::canonical(folder)).second) runs.push_back({folder, longer("", folder)});
    }
  }
  for (bool alike = true; alike;) {
    std::map<std::string, int> counts;
    for (const NamedFolder& run : runs) ++counts[run.name];
    alike = false;
    for (NamedFolder& run : runs) {
      if (counts[run.name] == 1) continue;
      run.name = longer(run.name, run.folder);
      alike = true;
    }
  }
  return runs;
}

RunReport read_run(const fs::path& folder) {
  const trainer::RunDirectory directory{folder};
  RunReport run;
  run.folder = folder;
  RunHistory history;
  each_line(directory.events(), [&](const nlohmann::json& line) { history.add_event(line); });
  TableBuilder table(run, history);
  each_line(directory.metrics(), [&](const nlohmann::json& line) { table.add(line); });
  const RunState state = state_of(directory);
  run.state = name_of(state);
  run.begin = history.begin_text();
  run.attempts = history.attempts(state);
  run.events = history.events();
  run.planned_steps = history.planned_steps();
  run.settings = settings_in(directory.config());
  if (!run.steps.step.empty()) {
    run.step = run.steps.step.back();
    run.epoch = run.steps.epoch.back();
  }
  for (const ReportedAttempt& attempt : run.attempts) run.seconds = std::max(run.seconds, attempt.end);
  const auto progress = run.planned_steps > 0 ? std::nullopt : trainer::run_progress(directory);
  if (progress) run.planned_steps = progress->planned;
  const fs::path evaluation = folder / "evaluation.json";
  if (fs::exists(evaluation)) run.evaluation = final_evaluation(evaluation, class_names(directory));
  return run;
}

Report read_report(const std::vector<std::string>& paths) {
  Report report;
  for (const NamedFolder& named : run_folders(paths)) {
    report.runs.push_back(read_run(named.folder));
    report.runs.back().name = named.name;
  }
  return report;
}

}  // namespace vitrail::launcher
