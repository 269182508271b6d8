// When a run is saved, and what happens where that fails. A save by counting steps waits for the one before
// it, so that the same checkpoints come to be however fast the disk is; rank 0's clock asks for none while
// one is under way. One that cannot be written is tried again later while training goes on. All ranks call
// alike. Throws: Error where a run cannot end for want of its last checkpoint, or may not write any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "trainer/assembly.hpp"
#include "trainer/base/log.hpp"
#include "trainer/checkpoint/checkpoint_writer.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/metrics.hpp"
#include "trainer/run/program.hpp"
#include "trainer/run/train.hpp"

namespace vitrail::trainer {

class RunSaver {
 public:
  // `owner` and `metrics`: of rank 0, null on the others. `state` is what the newest checkpoint holds,
  // `hosts` by rank.
  RunSaver(const Assembly& run, sharding::LaneState& lane_state, const TrainState& state,
           const TrainRequest& request, const RunDirectory& directory, const RunOwner* owner,
           MetricsFile* metrics, const std::vector<std::string>& hosts, PhaseLog& phases, Log& log);

  bool wished() const;  // rank 0: a checkpoint is due by the clock
  bool due(const TrainState& state) const;
  bool checkpoint_written() const { return writer_.checkpoint_written(); }

  void save(const TrainState& state);  // begins
  void advance();                      // when all ranks' parts have ended
  // The last one: tries again as long as `may_wait`, then throws.
  void save_at_end(const TrainState& state, bool may_wait);
  void wait();  // for the one under way, if there is one

  double seconds_of_last() const { return seconds_of_last_; }  // from its beginning to its commit
  const std::string& label() const { return label_; }
  std::uint64_t bytes_of_rank() const { return writer_.bytes(); }

 private:
  using Clock = std::chrono::steady_clock;

  CheckpointManifest manifest_of(const TrainState& state) const;
  bool is_saved(const TrainState& state) const;
  void settle(CheckpointWriter::Outcome outcome);

  const Assembly& run_;
  const TrainRequest& request_;
  MetricsFile* const metrics_;
  Log& log_;
  const std::string label_;  // rank 0's: all ranks write into one folder
  const std::vector<std::string> hosts_;
  ProgramFacts program_;
  CheckpointWriter writer_;
  TrainState saved_, under_way_;
  Clock::time_point saved_at_ = Clock::now(), began_, tried_;
  double seconds_waited_ = 0;  // by training, for the one under way
  double seconds_of_last_ = 0;
  std::int64_t failures_ = 0;  // in a row
};

}  // namespace vitrail::trainer
