// Saves the state of all ranks as one checkpoint while training goes on. The state is copied; then a thread
// of every rank writes its lanes' file under a temporary folder, and when all of them are on disk, a thread
// of rank 0 writes the manifest and renames the folder. Before the rename nothing is there, after it
// everything is; older checkpoints are pruned last. One at a time: there is room for one copy, 12 bytes a
// parameter (16 with an average) over the number of ranks, taken at the beginning.
#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "sharding/agreement/gather_text.hpp"
#include "sharding/comm/communicator.hpp"
#include "sharding/state/lane_state.hpp"
#include "sharding/state/sample_rows.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"
#include "trainer/watch/phase.hpp"

namespace vitrail::trainer {

class CheckpointWriter {
 public:
  enum class Outcome { under_way, committed, failed };

  // Asked on rank 0, on its writing thread; throws where this must not be committed.
  using BeforeCommit = std::function<void(const CheckpointManifest&)>;

  // `own`: the slices that this rank saves. `rows`: what the task remembers of every sample; null: nothing.
  CheckpointWriter(const std::filesystem::path& checkpoints, KeepRule keep,
                   const std::vector<StoredParameter>& parameters, sharding::LaneState& state,
                   sharding::LaneRange own, const TaskState& task, sharding::Communicator& communicator,
                   BeforeCommit before_commit = {}, PhaseLog* phases = nullptr,
                   sharding::SampleRows* rows = nullptr);
  ~CheckpointWriter();  // waits for this rank's thread

  // Copies the state, the task's included, whose arrays are as long as those that the writer was made with.
  // `manifest` holds everything but `parameters` and `files`. None may be under way.
  void begin(CheckpointManifest manifest);
  bool busy() const { return stage_ != Stage::idle; }
  bool checkpoint_written() const;  // of what is under way, this rank has done its part

  // Collective, for all ranks at the same step: what comes after the parts that have ended. Waits for those
  // that have not. After `failed`: failure() says why, the same on all ranks, and no trace is left.
  Outcome advance();
  Outcome finish();  // advances to the end
  const sharding::AgreedError& failure() const { return *failure_; }

  std::filesystem::path checkpoint() const;  // the folder of the last one begun
  std::uint64_t bytes() const;               // of this rank's file

 private:
  enum class Stage { idle, writing, committing };
  class RankImage;

  std::string write_rank_file();  // what is in it, as JSON
  std::string commit();           // nothing
  void enter(Phase phase);

  const std::filesystem::path checkpoints_;
  const KeepRule keep_;
  sharding::LaneState& state_;
  sharding::SampleRows* const rows_;
  sharding::Communicator& communicator_;
  const BeforeCommit before_commit_;
  PhaseLog* const phases_;
  CheckpointManifest manifest_;
  std::unique_ptr<RankImage> image_;
  std::filesystem::path temporary_;
  std::optional<sharding::AgreedError> failure_;
  Stage stage_ = Stage::idle;
  std::future<std::string> work_;  // last: uses the rest
};

// All of it, at once. Throws: on all ranks the same Error(io) naming rank, file and cause; earlier
// checkpoints stay. Returns the checkpoint's folder.
std::filesystem::path save_checkpoint(const std::filesystem::path& checkpoints, KeepRule keep,
                                      CheckpointManifest manifest, sharding::LaneState& state,
                                      sharding::Communicator& communicator,
                                      sharding::SampleRows* rows = nullptr);

}  // namespace vitrail::trainer
