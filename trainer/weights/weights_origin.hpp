// Which weights an evaluation or a prediction used, for whoever reads its numbers later.
// Throws: what reading a checkpoint or a safetensors file throws.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "trainer/checkpoint/run_progress.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

// "runs/first/checkpoints/step-00000020: unfinished: step 20 of 5000"; empty where the run came to its end,
// be it after this checkpoint, and where nobody knows how long it was to be.
std::string unfinished_note(const std::filesystem::path& checkpoint);

// `path` as a user gives it to the checkpoint that it means, links followed; empty: empty.
std::string resolved_checkpoint(const std::string& path);

struct WeightsOrigin {
  std::string path;  // of the checkpoint or the safetensors file
  WeightsUsed which = WeightsUsed::raw;
  std::optional<RunProgress> progress;  // of a checkpoint that a run wrote
  std::string hash;                     // as `vitrail checkpoint hash --part weights` or ema has it
};

// `checkpoint`: a resolved one; empty: config.model.weights. A file has the hash of what it is imported as.
WeightsOrigin weights_origin(const Config& config, const std::string& checkpoint);

// The images whose labels vote in k-NN, and how.
struct UsedNeighbours {
  std::string known, known_fingerprint;
  std::string features;  // as evaluate.features has them
  std::int64_t neighbours = 0;
  double temperature = 0;
};

// What was used for what: for JSON and for safetensors' metadata, in one order.
struct UsedRecord {
  WeightsOrigin weights;
  std::string data, data_fingerprint;
  std::string date;  // UTC, ISO 8601
  std::optional<UsedNeighbours> knn = {};
};

// In words, for people.
std::string describe(const UsedRecord& used);
// Keys of safetensors' metadata: weights, weights_hash, step, planned_steps, ema, data, data_fingerprint,
// date; those that are unknown are left out.
std::map<std::string, std::string> used_metadata(const UsedRecord& used);

}  // namespace vitrail::trainer
