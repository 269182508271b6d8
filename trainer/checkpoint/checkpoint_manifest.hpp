// What a checkpoint says about itself: manifest.json, written last. Everything a restore needs is here
// (addresses and hashes included), so restoring parses no HDF5. Throws: Error(bad_data) naming file and
// entry.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "datasets/damage.hpp"
#include "sharding/plan/bucket_plan.hpp"
#include "sharding/state/lane_state.hpp"
#include "sharding/state/loss_scale.hpp"
#include "trainer/base/data_type.hpp"
#include "trainer/checkpoint/run_state.hpp"

namespace vitrail::models {
struct ParameterSpec;
}

namespace vitrail::trainer {

struct StoredParameter {
  std::string name;
  std::vector<std::int64_t> shape;

  std::int64_t elements() const;
  bool operator==(const StoredParameter&) const = default;
};

std::vector<StoredParameter> stored_parameters(const std::vector<models::ParameterSpec>& parameters);

// What the task remembers of a lane's samples, in the type of the sums.
struct StoredRows {
  std::uint64_t address = 0;  // first byte in the file
  std::uint64_t count = 0;    // rows
  std::uint64_t width = 0;
};

// A run of elements of one parameter; a lane's data are its runs one after another, without padding.
struct StoredRun {
  std::size_t parameter = 0;
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

struct StoredLane {
  std::int64_t lane = 0;
  std::vector<StoredRun> runs;
  std::map<std::string, std::uint64_t> address;  // by kind of state: first byte in the file
  std::optional<StoredRows> rows = {};
};

// An array of the task's state, in fp64.
struct StoredArray {
  std::uint64_t address = 0;  // first byte in the file
  std::uint64_t count = 0;
};

struct StoredFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::string hash;  // XXH3-128 of the whole file
  std::vector<StoredLane> lanes = {};
  std::map<std::string, StoredArray> task = {};  // of rank 0's file; by name
};

struct CheckpointManifest {
  TrainState state;                // but for the values of its task, which are in a file
  std::int64_t planned_steps = 0;  // of the whole run; 0: an earlier build did not say
  std::int64_t lanes = 1;
  int world = 1;                                // ranks that wrote it
  DataType type = DataType::f32;                // of the state
  std::string data_fingerprint;                 // of the training set
  std::vector<std::string> classes;             // names of the training set's; none: numbers
  std::vector<std::string> class_ids;           // their wnids, or names where they have none
  std::string machine;                          // instruction set: bits are promised within one
  std::string writer;                           // job and attempt
  std::map<std::string, std::string> program;   // version, commit, xxh3_128, libtorch, mpi; when, attempt
  std::vector<std::string> hosts;               // of the ranks that wrote it, each once
  std::map<std::string, std::string> settings;  // the resolved configuration
  std::vector<StoredParameter> parameters;      // registration order
  std::vector<StoredFile> files;                // by rank
};

constexpr int kCheckpointVersion = 1;

std::string to_json(const CheckpointManifest& manifest);
// The entry of one file alone: how ranks send theirs to rank 0.
std::string to_json(const StoredFile& file);
StoredFile stored_file_from_json(const std::string& text);

CheckpointManifest read_checkpoint_manifest(const std::filesystem::path& folder);

}  // namespace vitrail::trainer
