// Reads the state in a checkpoint by parameter and element range, whatever lanes and ranks wrote it.
// Throws: Error(bad_data) naming checkpoint, file and reason; Error(io).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sharding/state/sample_rows.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::trainer {

class CheckpointReader {
 public:
  // Reads the manifest and checks that every element of every parameter is there exactly once.
  explicit CheckpointReader(const std::filesystem::path& folder);

  const CheckpointManifest& manifest() const { return manifest_; }
  const std::filesystem::path& folder() const { return folder_; }

  // Compares size and hash of a file with the manifest. Read nothing from files that were not verified.
  void verify_file(std::size_t file, const std::function<void(std::uint64_t bytes)>& progress = {}) const;
  void verify() const;  // all files

  TaskState task_state() const;  // all of it

  // What the task remembers of every sample; all zero where that is nothing.
  sharding::RowsShape rows() const { return rows_shape_; }
  void read_rows(std::int64_t lane, std::int64_t first,
                 std::span<std::byte> out) const;  // in manifest().type

  bool has(sharding::StateKind kind) const;  // else there is none to read
  // Elements [begin, begin + count) of a parameter, `count` = out.size() / element size, of manifest().type.
  void read(sharding::StateKind kind, std::size_t parameter, std::int64_t begin,
            std::span<std::byte> out) const;
  // The whole parameter as Real (float or double), converted where the checkpoint has the other type.
  template <class Real>
  std::vector<Real> read_all(sharding::StateKind kind, std::size_t parameter) const;

 private:
  struct Extent {  // elements [begin, end) of a parameter, at element `first` of a lane's data
    std::int64_t begin, end;
    std::size_t file;
    const StoredLane* lane;
    std::uint64_t first;
  };
  void index();
  void index_rows();

  std::filesystem::path folder_;
  CheckpointManifest manifest_;
  std::vector<File> files_;
  std::vector<std::vector<Extent>> extents_;                         // by parameter, increasing begin
  std::map<std::int64_t, std::pair<std::size_t, StoredRows>> rows_;  // by lane: file, and where in it
  sharding::RowsShape rows_shape_{0, 0, 0};
};

enum class StatePart { weights, optimizer, ema, all };

// XXH3-128 in hex over the state in parameter-name order, independent of ranks and lanes: all weights, then
// for each parameter its moments, then the average, the task's arrays and what it remembers of each sample,
// in their order, if there are any. The same bits of
// state give the same hash, nothing else does. Error(usage) for the average of a run without one.
std::string state_hash(const CheckpointReader& checkpoint, StatePart part);

}  // namespace vitrail::trainer
