#include <map>

#include <nlohmann/json.hpp>

#include "launcher/options/flag_table.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/checkpoint/run_progress.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

enum class CheckpointAction { list, verify, hash, compare };

struct CheckpointFlags {
  CheckpointAction action = CheckpointAction::list;  // the first word
  trainer::StatePart part = trainer::StatePart::all;
  OutputFormat format = OutputFormat::text;
};

std::vector<Option> checkpoint_options() {
  FlagTable<CheckpointFlags> flags;
  flags.choice("part", &CheckpointFlags::part,
               {{trainer::StatePart::weights, "weights"},
                {trainer::StatePart::optimizer, "optimizer"},
                {trainer::StatePart::ema, "ema"},
                {trainer::StatePart::all, "all"}},
               {.help = "what is hashed",
                .placeholder = "PART",
                .when = {{"", "`checkpoint hash`", [](const CommandLine& line) {
                            return line.own<CheckpointFlags>().action == CheckpointAction::hash;
                          }}}});
  flags.format(&CheckpointFlags::format);
  return flags.done();
}

// What is left are paths.
void take_checkpoint_action(CommandLine& line) {
  const std::map<std::string, CheckpointAction> actions = {{"list", CheckpointAction::list},
                                                           {"verify", CheckpointAction::verify},
                                                           {"hash", CheckpointAction::hash},
                                                           {"compare", CheckpointAction::compare}};
  const std::string word = line.arguments.front();
  const auto found = actions.find(word);
  if (found == actions.end()) {
    throw Error(ExitCode::usage,
                fmt::format("command line: checkpoint {}: expected list, verify, hash or compare", word));
  }
  line.own<CheckpointFlags>().action = found->second;
  line.arguments.erase(line.arguments.begin());
  const bool compares = found->second == CheckpointAction::compare;
  const std::size_t count = line.arguments.size();
  const std::size_t most = compares ? 2 : found->second == CheckpointAction::list ? 1 : count;
  if (count == 0 || count > most || (compares && count < most)) {
    throw Error(ExitCode::usage, fmt::format("command line: checkpoint {}: expected {}, got {}", word,
                                             compares ? "two paths" : "one path", count));
  }
}

trainer::CheckpointReader open_verified(const std::string& path) {
  trainer::CheckpointReader checkpoint(trainer::find_checkpoint(path));
  checkpoint.verify();
  return checkpoint;
}

// A checkpoint's row in a listing; a damaged one must not hide the others.
Json row_of(const std::filesystem::path& path) {
  try {
    const auto manifest = trainer::read_checkpoint_manifest(path);
    std::uint64_t bytes = 0;
    for (const auto& file : manifest.files) bytes += file.bytes;
    return {
        {"path", path.string()},   {"step", manifest.state.step}, {"planned_steps", manifest.planned_steps},
        {"lanes", manifest.lanes}, {"ranks", manifest.world},     {"bytes", bytes}};
  } catch (const Error& e) {
    return {{"path", path.string()}, {"damaged", e.what()}};
  }
}

std::string line_of(const Json& row) {
  const auto path = row.at("path").get<std::string>();
  if (row.contains("damaged")) return fmt::format("{}  damaged: {}", path, row["damaged"].get<std::string>());
  const int ranks = row.at("ranks");
  const trainer::RunProgress progress{row.at("step"), row.at("planned_steps")};
  return fmt::format("{}  {}, {} lanes, written by {} rank{}, {:.1f} MB", path, progress.text(),
                     row.at("lanes").get<std::int64_t>(), ranks, ranks == 1 ? "" : "s",
                     row.at("bytes").get<double>() / 1e6);
}

ExitCode list(const std::string& path, bool json) {
  namespace fs = std::filesystem;
  if (!fs::exists(path)) throw Error(ExitCode::usage, fmt::format("{}: there is no such folder", path));
  const bool is_run = fs::exists(fs::path(path) / "checkpoints");
  const auto found = trainer::list_checkpoints(is_run ? fs::path(path) / "checkpoints" : fs::path(path));
  Json rows = Json::array();
  for (auto at = found.rbegin(); at != found.rend(); ++at) rows.push_back(row_of(*at));
  if (json) {
    fmt::print("{}\n", rows.dump());
  } else {
    for (const Json& row : rows) fmt::print("{}\n", line_of(row));
  }
  if (found.empty()) fmt::print(stderr, "{}: no checkpoints\n", path);
  return ExitCode::done;
}

// Of one path a bare hash, or an object; of several a line or an element for each.
ExitCode hash(const std::vector<std::string>& paths, trainer::StatePart part, bool json) {
  Json rows = Json::array();
  for (const std::string& path : paths) {
    const std::string hash = state_hash(open_verified(path), part);
    rows.push_back({{"path", path}, {"hash", hash}});
    if (!json) fmt::print("{}{}\n", hash, paths.size() > 1 ? "  " + path : "");
  }
  if (json) fmt::print("{}\n", paths.size() > 1 ? rows.dump() : Json({{"hash", rows[0]["hash"]}}).dump());
  return ExitCode::done;
}

ExitCode verify(const std::vector<std::string>& paths, bool json) {
  Json rows = Json::array();
  for (const std::string& path : paths) {
    const auto checkpoint = open_verified(path);
    rows.push_back(row_of(checkpoint.folder()));
    fmt::print(stderr, "{}: good: step {}, {} files\n", checkpoint.folder().string(),
               checkpoint.manifest().state.step, checkpoint.manifest().files.size());
  }
  if (json) fmt::print("{}\n", (paths.size() > 1 ? rows : rows[0]).dump());
  return ExitCode::done;
}

ExitCode compare(const std::string& a, const std::string& b, bool json) {
  Json rows = Json::object();
  bool same = true;
  const auto left = open_verified(a), right = open_verified(b);
  for (const auto& [part, name] : {std::pair{trainer::StatePart::weights, "weights"},
                                   std::pair{trainer::StatePart::optimizer, "optimizer"}}) {
    const std::string x = state_hash(left, part), y = state_hash(right, part);
    rows[name] = {{"left", x}, {"right", y}, {"equal", x == y}};
    if (!json) fmt::print("{:<10} {} {} {}\n", name, x, x == y ? "=" : "!=", y);
    same = same && x == y;
  }
  if (json) fmt::print("{}\n", rows.dump());
  return same ? ExitCode::done : ExitCode::crash;
}

ExitCode run_checkpoint(const CommandLine& line, const Environment&) {
  const auto& flags = line.own<CheckpointFlags>();
  const bool json = flags.format == OutputFormat::json;
  switch (flags.action) {
    case CheckpointAction::list:
      return list(line.arguments.front(), json);
    case CheckpointAction::compare:
      return compare(line.arguments[0], line.arguments[1], json);
    case CheckpointAction::hash:
      return hash(line.arguments, flags.part, json);
    case CheckpointAction::verify:
      return verify(line.arguments, json);
  }
  return ExitCode::done;
}

}  // namespace

Command checkpoint_command() {
  constexpr std::size_t kManyPaths = 10'000;  // and the action before them
  return {.name = "checkpoint",
          .usage = "list|verify|hash|compare PATH [PATH ...] [options]",
          .summary = "list the checkpoints of a run; verify, hash or compare them",
          .example = "vitrail checkpoint hash runs/quickstart/checkpoints/latest --part weights",
          .least_arguments = 2,
          .most_arguments = kManyPaths,
          .flags = CheckpointFlags(),
          .options = checkpoint_options(),
          .take = take_checkpoint_action,
          .run = run_checkpoint};
}

}  // namespace vitrail::launcher
