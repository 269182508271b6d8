#include <nlohmann/json.hpp>

#include "launcher/commands/run_commands.hpp"
#include "models/families/catalogue.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/checkpoint/run_progress.hpp"
#include "trainer/weights/export_weights.hpp"
#include "trainer/weights/import_weights.hpp"
#include "trainer/weights/weights_origin.hpp"

namespace vitrail::launcher {
namespace {

using Json = nlohmann::ordered_json;

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

}  // namespace

namespace {

// One model as asked for, or every model; of these, one that the given numbers do not fit is left out and
// named.
std::vector<models::ModelSummary> asked_models(const CommandLine& line) {
  std::vector<models::ModelSummary> rows;
  models::ModelConfig config = line.config.model;
  config.name = line.flags.model;
  if (!config.name.empty()) return {models::describe_model(config)};
  for (const std::string& name : models::known_models()) {
    try {
      config.name = name;
      rows.push_back(models::describe_model(config));
    } catch (const Error& e) {
      fmt::print(stderr, "{}: left out: {}\n", name, e.what());
    }
  }
  return rows;
}

std::string json_of(const std::vector<models::ModelSummary>& rows) {
  Json json = Json::array();
  for (const models::ModelSummary& m : rows) {
    json.push_back({{"name", m.name},
                    {"params", m.params},
                    {"macs", m.macs},
                    {"tokens", m.tokens},
                    {"image_size", m.image_size},
                    {"classes", m.classes},
                    {"activation_bytes", m.activation_bytes}});
  }
  return json.dump() + "\n";
}

std::string table_of(const std::vector<models::ModelSummary>& rows) {
  std::string text = fmt::format("{:<24} {:>12} {:>10} {:>8} {:>6} {:>8} {:>14}\n", "model", "params",
                                 "GMACs", "tokens", "px", "classes", "activations");
  for (const models::ModelSummary& m : rows) {
    text += fmt::format("{:<24} {:>12} {:>10.3f} {:>8} {:>6} {:>8} {:>10.1f} MiB\n", m.name, m.params,
                        static_cast<double>(m.macs) / 1e9, m.tokens, m.image_size, m.classes,
                        static_cast<double>(m.activation_bytes) / (1 << 20));
  }
  return text;
}

}  // namespace

ExitCode run_models(const CommandLine& line) {
  const auto rows = asked_models(line);
  fmt::print("{}", line.flags.format == OutputFormat::json ? json_of(rows) : table_of(rows));
  return ExitCode::done;
}

ExitCode run_export(const CommandLine& line) {
  const auto checkpoint = open_verified(line.flags.checkpoint);
  const std::string note = trainer::unfinished_note(checkpoint.folder());
  if (!note.empty()) fmt::print(stderr, "{}\n", note);
  trainer::export_weights(checkpoint, line.flags.ema ? trainer::WeightsUsed::ema : trainer::WeightsUsed::raw,
                          line.flags.output);
  fmt::print(stderr, "{}: {} tensors of step {}\n", line.flags.output,
             checkpoint.manifest().parameters.size(), checkpoint.manifest().state.step);
  return ExitCode::done;
}

ExitCode run_import(const CommandLine& line) {
  const auto say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
  const auto checkpoint =
      trainer::import_weights(line.config, resolved_settings(line), line.flags.output, say);
  fmt::print("{}\n", checkpoint.string());
  return ExitCode::done;
}

ExitCode run_checkpoint(const CommandLine& line) {
  const bool json = line.flags.format == OutputFormat::json;
  switch (line.action) {
    case CheckpointAction::list:
      return list(line.paths.front(), json);
    case CheckpointAction::compare:
      return compare(line.paths[0], line.paths[1], json);
    case CheckpointAction::hash:
      return hash(line.paths, line.flags.part, json);
    case CheckpointAction::verify:
      return verify(line.paths, json);
  }
  return ExitCode::done;
}

}  // namespace vitrail::launcher
