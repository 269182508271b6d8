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
#include "trainer/checkpoint/checkpoint_writer.hpp"
#include "trainer/metrics.hpp"
#include "trainer/run/run_services.hpp"

namespace vitrail::trainer {

class RunSaver {
 public:
  // `state`: what the newest checkpoint holds. `metrics`: of rank 0, null on the others.
  RunSaver(Assembly& run, const TrainState& state, const RunServices& services, MetricsFile* metrics);

  bool wished() const;  // rank 0: a checkpoint is due by the clock
  bool due(const TrainState& state) const;
  bool checkpoint_written() const { return writer_.checkpoint_written(); }

  void save(const TrainState& state);  // begins
  void advance();                      // when all ranks' parts have ended
  // The last one: tries again as long as `may_wait`, then throws.
  void save_at_end(const TrainState& state, bool may_wait);
  void wait();  // for the one under way, if there is one

  double seconds_of_last() const { return seconds_of_last_; }  // from its beginning to its commit
  std::uint64_t bytes_of_rank() const { return writer_.bytes(); }

 private:
  using Clock = std::chrono::steady_clock;

  CheckpointManifest manifest_of(const TrainState& state) const;
  bool is_saved(const TrainState& state) const;
  void settle(CheckpointWriter::Outcome outcome);

  const Assembly& run_;
  const RunServices& services_;
  const std::vector<std::string> hosts_;  // each once
  MetricsFile* const metrics_;
  CheckpointWriter writer_;
  TrainState saved_, under_way_;
  Clock::time_point saved_at_ = Clock::now(), began_, tried_;
  double seconds_waited_ = 0;  // by training, for the one under way
  double seconds_of_last_ = 0;
  std::int64_t failures_ = 0;  // in a row
};

}  // namespace vitrail::trainer
