// Where a run stands. With the weights and moments, all of its state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "datasets/damage.hpp"
#include "sharding/state/loss_scale.hpp"

namespace vitrail::trainer {

// The evaluation that checkpoint.keep_best asks for: the best so far.
struct BestEvaluation {
  double value = 0;
  std::int64_t step = 0;

  bool operator==(const BestEvaluation&) const = default;
};

// Batches that the loss guard left out: those from the one that step `step` would have taken.
struct SkippedBatches {
  std::int64_t step = 0;
  std::int64_t batches = 0;

  bool operator==(const SkippedBatches&) const = default;
};

// What a task remembers beside the weights, the same on all ranks: arrays by name.
using TaskState = std::map<std::string, std::vector<double>>;

// Where a run stands; with the weights and moments, all of its state.
struct TrainState {
  std::int64_t step = 0;             // finished steps
  std::int64_t optimizer_steps = 0;  // of those, the ones that updated the weights
  std::int64_t evaluated_step = 0;   // the last step that was evaluated
  std::uint64_t metrics_bytes = 0;   // length of metrics.jsonl
  sharding::LossScale loss_scale;
  datasets::DamageLedger damaged;               // training samples that were replaced, over all ranks
  std::vector<SkippedBatches> skipped_batches;  // increasing steps
  std::optional<BestEvaluation> best;
  TaskState task;

  std::int64_t next_batch() const;  // that the next step takes, counted over all epochs
};

}  // namespace vitrail::trainer
