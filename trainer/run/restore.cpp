#include "trainer/run/restore.hpp"

#include <ATen/ATen.h>

#include "sharding/agreement/gather_text.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/settings/run_identity.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

bool is_alike(const std::vector<StoredFile>& files, const TaskState& expected) {
  std::map<std::string, std::uint64_t> stored, sizes;
  for (const StoredFile& file : files) {
    for (const auto& [name, array] : file.task) stored[name] = array.count;
  }
  for (const auto& [name, values] : expected) sizes[name] = values.size();
  return stored == sizes;
}

// As many lanes share out as many rows: they are part of the run's identity, as its data and its task are.
bool has_same_rows(const CheckpointReader& checkpoint, const Assembly& run) {
  const sharding::RowsShape theirs = checkpoint.rows();
  return run.rows ? run.rows->shape() == theirs : theirs.samples == 0;
}

void check_same_run(const CheckpointReader& checkpoint, const CheckpointManifest& stored, const Assembly& run,
                    const SettingsMap& settings) {
  if (stored.data_fingerprint.empty()) {
    throw Error(ExitCode::refused, "checkpoint.resume names imported weights, which no run has trained",
                "begin with model.weights = FILE instead; vitrail export writes such a file");
  }
  std::string why = why_refused(stored.settings, settings);
  if (why.empty() && stored.data_fingerprint != run.train_data->fingerprint()) {
    why = fmt::format("data.train was another data set (fingerprint {}), now it is {} ({})",
                      stored.data_fingerprint, run.train_data->describe(), run.train_data->fingerprint());
  }
  if (why.empty() && stored_parameters(run.specs) != stored.parameters)
    why = "the model has other parameters";
  if (why.empty() && (!is_alike(stored.files, run.task->initial_state()) || !has_same_rows(checkpoint, run)))
    why = "its task remembered other arrays";
  if (why.empty() && stored.type != run.lane_state.type()) why = "precision.compute was another";
  if (why.empty()) return;
  throw Error(ExitCode::refused,
              fmt::format("the run's checkpoint of step {} is of another run: {}", stored.state.step, why),
              "set it back, or begin a new run with another run.name or run.dir");
}

// A run that goes on does not look at model.weights: who names others wants to begin another.
void check_same_beginning(const CheckpointManifest& stored, const std::string& weights,
                          const RunDirectory& directory) {
  const std::string was = value_of(stored.settings, "model.weights");
  if (weights.empty() || weights == was) return;
  throw Error(
      ExitCode::refused,
      fmt::format("model.weights = {}: {} holds a run that began with {} and is at step {}", weights,
                  directory.root.string(), was.empty() ? "weights of its own" : was, stored.state.step),
      "begin a new run with another run.name or run.dir, or set model.weights back and go on");
}

void say_changes(const CheckpointManifest& stored, const SettingsMap& settings, const ProgramFacts& program,
                 const std::string& machine, Log& log) {
  for (const auto& [key, unused] : merged_keys(stored.settings, settings)) {
    if (value_of(stored.settings, key) == value_of(settings, key) || changes_silently(key)) continue;
    log.event({"changed", stored.state.step,
               fmt::format("changed since the checkpoint: {} was {}, is {}", key,
                           value_of(stored.settings, key), value_of(settings, key))});
  }
  const auto hash_was = stored.program.find("xxh3_128");
  if (hash_was == stored.program.end() || hash_was->second != program.at("xxh3_128")) {
    log.line(
        fmt::format("the program has changed since the checkpoint: it was {}, is {}{}",
                    describe_program(stored.program), describe_program(program),
                    describe_program(stored.program) == describe_program(program) ? ", built anew" : ""));
  }
  if (stored.machine != machine) {
    log.line(fmt::format(
        "this machine computes with {}, the checkpoint was written with {}: the same bits are not promised",
        machine, stored.machine));
  }
}

// The first setting that has changed of those that evaluations depend on; empty: none.
std::string decides_scores(const SettingsMap& stored, const SettingsMap& settings) {
  for (const auto& [key, unused] : merged_keys(stored, settings)) {
    const bool is_one = key == "data.val" || key == "data.classes" || key == "checkpoint.keep_best" ||
                        (key.starts_with("evaluate.") && !changes_silently(key));
    if (is_one && value_of(stored, key) != value_of(settings, key)) return key;
  }
  return "";
}

// Ranks share the reading: file f is compared with its hash by rank f mod N.
void verify_together(const CheckpointReader& checkpoint, sharding::Communicator& communicator) {
  const auto files = checkpoint.manifest().files.size();
  const auto world = static_cast<std::size_t>(communicator.size());
  sharding::agree(communicator, [&] {
    for (auto f = static_cast<std::size_t>(communicator.rank()); f < files; f += world)
      checkpoint.verify_file(f);
  });
}

// Those of this rank's lanes.
void read_rows(const CheckpointReader& checkpoint, const sharding::Communicator& ranks,
               sharding::SampleRows& rows) {
  const auto own = sharding::lanes_of_rank(rows.shape().lanes, ranks.size(), ranks.rank());
  std::vector<std::byte> values;
  for (std::int64_t lane = own.begin; lane < own.end; ++lane) {
    values.resize(rows.bytes_of(lane));
    checkpoint.read_rows(lane, 0, values);
    rows.write(lane, values.data());
  }
}

TrainState load(const CheckpointReader& checkpoint, Assembly& run) {
  std::vector<std::byte> values;
  for (const sharding::Piece& piece : run.plan.pieces) {
    if (!run.lane_state.owns(piece)) continue;
    values.resize(static_cast<std::size_t>(piece.elements) * size_of(run.lane_state.type()));
    for (const sharding::StateKind kind : run.lane_state.kinds()) {
      checkpoint.read(kind, piece.parameter, piece.in_parameter, values);
      run.lane_state.write(kind, piece, values.data());
    }
  }
  if (run.rows) read_rows(checkpoint, run.communicator, *run.rows);
  run.optimizer.set_steps(checkpoint.manifest().state.optimizer_steps);
  TrainState state = checkpoint.manifest().state;
  state.task = checkpoint.task_state();
  return state;
}

// checkpoint.resume = DIR says where a new run begins. Once it has checkpoints of its own, these are what the
// same command goes on from: a requeued job must not begin again. An older one of the run itself cannot be
// named: what follows it would be lost in pruning, or be taken for this run's future.
std::vector<fs::path> checkpoints_to_try(const std::string& resume, const RunDirectory& directory) {
  const auto own = list_checkpoints(directory.checkpoints());
  if (resume == "auto" || resume == "never") return own;
  const fs::path named = find_checkpoint(resume);
  if (own.empty())
    return named == fs::path(resume) ? std::vector{named} : list_checkpoints(named.parent_path());
  const fs::path real = fs::canonical(named);  // `latest`, or a name without a folder
  const bool is_own = fs::equivalent(real.parent_path(), directory.checkpoints());
  if (is_own && real.filename() != own.front().filename()) {
    throw Error(ExitCode::refused,
                fmt::format("checkpoint.resume = {}, but the run has a newer one, {}", resume,
                            own.front().filename().string()),
                "branch off into another run.name or run.dir, or move the newer ones away");
  }
  return own;
}

// Neither counted among those to keep nor newer than what comes next.
void set_aside_all(const std::vector<fs::path>& damaged, const fs::path& whole) {
  for (const fs::path& path : damaged) set_aside(path);
  point_to(whole, "latest");
}

// The checkpoints to try, newest first, as rank 0 sees them.
std::vector<std::string> candidates(const Config& config, const RunDirectory& directory,
                                    sharding::Communicator& communicator) {
  std::string own;
  sharding::agree(communicator, [&] {
    if (communicator.rank() != 0) return;
    const auto found = checkpoints_to_try(config.checkpoint.resume, directory);
    for (const auto& path : found) own += path.string() + "\n";
  });
  const std::string all = sharding::gather_text(communicator, own).front();
  std::vector<std::string> paths;
  for (std::size_t begin = 0; begin < all.size(); begin = all.find('\n', begin) + 1) {
    paths.push_back(all.substr(begin, all.find('\n', begin) - begin));
  }
  return paths;
}

}  // namespace

std::optional<TrainState> restore(Assembly& run, const RunDirectory& directory, const TrainRequest& request,
                                  Log& log) {
  const SettingsMap defaults = default_settings();  // what a key means that an older checkpoint does not know
  const SettingsMap settings = merged_keys(settings_of(request.config), defaults);
  const std::vector<std::string> paths = candidates(run.config, directory, run.communicator);
  if (paths.empty()) return std::nullopt;
  if (run.config.checkpoint.resume == "never") {
    throw Error(ExitCode::refused,
                fmt::format("{} holds a run already and checkpoint.resume = never", directory.root.string()),
                "choose another run.name or run.dir, or remove that folder");
  }
  std::vector<fs::path> damaged;
  for (const fs::path path : paths) {
    std::optional<CheckpointReader> checkpoint;
    try {
      sharding::agree(run.communicator, [&] { checkpoint.emplace(path); });
      verify_together(*checkpoint, run.communicator);
    } catch (const Error& e) {
      if (e.code() != ExitCode::bad_data) throw;
      log.event({"damaged_checkpoint", 0, fmt::format("checkpoint passed over: {}", e.what())});
      damaged.push_back(path);
      continue;
    }
    CheckpointManifest stored = checkpoint->manifest();
    stored.settings = merged_keys(stored.settings, defaults);
    check_same_run(*checkpoint, stored, run, settings);
    const bool is_own = path.parent_path() == directory.checkpoints();
    if (is_own) check_same_beginning(stored, run.config.model.weights, directory);
    say_changes(stored, settings, request.program, machine_name(run.device), log);
    TrainState state{};
    sharding::agree(run.communicator, [&] { state = load(*checkpoint, run); });
    if (run.rows) run.rows->gather(run.communicator);
    run.publish();
    sharding::agree(run.communicator, [&] {
      if (run.communicator.rank() == 0 && is_own && !damaged.empty()) set_aside_all(damaged, path);
    });
    if (const std::string key = decides_scores(stored.settings, settings); !key.empty() && state.best) {
      log.line(fmt::format("checkpoint.keep_best begins anew: {} is another, so scores do not compare", key));
      state.best.reset();
    }
    if (!is_own) state.metrics_bytes = 0;  // this run's metrics begin here
    log.line(fmt::format("resumed from {} (step {}, written by {} rank{})", path.string(), state.step,
                         checkpoint->manifest().world, checkpoint->manifest().world == 1 ? "" : "s"));
    return state;
  }
  throw Error(ExitCode::bad_data,
              fmt::format("none of the {} checkpoints of {} is whole", paths.size(),
                          damaged.front().parent_path().string()),
              "restore one from a copy, or begin a new run with another run.name or run.dir");
}

}  // namespace vitrail::trainer
