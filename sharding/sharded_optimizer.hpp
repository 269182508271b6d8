// AdamW and LAMB on lane slices. All norms are those of whole tensors over all ranks, so N ranks take exactly
// the step that one rank takes; the gradients are the sums that GradientReducer left. Throws: PeerFailure.
// Source: Loshchilov and Hutter 2019; You et al. 2020 as apex and timm implement it.
#pragma once

#include <vector>

#include "sharding/communicator.hpp"
#include "sharding/gradient_reducer.hpp"
#include "sharding/lane_state.hpp"
#include "sharding/piece_sums.hpp"
#include "sharding/sharding_config.hpp"
#include "sharding/update_kernels.hpp"

namespace vitrail::sharding {

class ShardedOptimizer {
 public:
  // `weight_decay` by parameter: 0 also switches LAMB's trust ratio off for it.
  ShardedOptimizer(const OptimizerConfig& config, std::vector<double> weight_decay,
                   Communicator& communicator);

  // Squares of this rank's gradient sums, one column; the caller all-reduces them with what else it has to
  // say.
  PieceSums gradient_squares(LaneState& state, GradientReducer& gradients) const;

  // Global norm of scale * gradient sums, from all-reduced gradient_squares().
  static double gradient_norm(const PieceSums& squares, double scale);

  // One step: gradients are scale * sums and are clipped as the configuration says; `norm` is
  // gradient_norm(). Counts the step.
  void step(LaneState& state, GradientReducer& gradients, double lr, double scale, double norm);

  std::int64_t steps() const { return steps_; }  // taken so far: the t of the bias corrections
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  void step_adamw(LaneState& state, GradientReducer& gradients, UpdateStep step) const;
  void step_lamb(LaneState& state, GradientReducer& gradients, UpdateStep step) const;

  OptimizerConfig config_;
  std::vector<double> weight_decay_;
  Communicator& communicator_;
  std::int64_t steps_ = 0;
};

}  // namespace vitrail::sharding
