// AdamW, LAMB and SGD on lane slices. All norms are those of whole tensors over all ranks, so N ranks take
// exactly the step that one rank takes; the gradients are the sums that GradientReducer left. Work is cut
// into fixed runs, so the number of threads changes no bit. Throws: PeerFailure. Source: Loshchilov and
// Hutter 2019; You et al. 2020 as apex and timm implement it; Sutskever et al. 2013.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/sharding_config.hpp"
#include "sharding/state/adaptive_clipping.hpp"
#include "sharding/state/gradient_reducer.hpp"
#include "sharding/state/lane_state.hpp"
#include "sharding/state/per_tensor_sums.hpp"

namespace vitrail::sharding {

// What a run keeps per weight: its moments depend on the rule, the average is asked for.
std::vector<StateKind> state_kinds(OptimizerName name, bool average);

// What sets one parameter apart from the others.
struct ParameterRule {
  double weight_decay = 0;  // 0 also switches LAMB's trust ratio off, unless it always adapts
  double lr_scale = 1;
  // Above 0: a statistic of the batches. Its sum holds their mean, not a gradient, and it moves towards that
  // by this share; no norm, clipping or moment knows of it.
  double statistic_share = 0;
  std::int64_t unit = 0;  // elements that make one output, for adaptive clipping; 0: is not clipped by it
  bool late = false;      // begins when hold_late() lets it, and counts its steps from there
};

class ShardedOptimizer {
 public:
  // `rules` by parameter.
  ShardedOptimizer(const OptimizerConfig& config, std::vector<ParameterRule> rules,
                   Communicator& communicator);

  // Clips each element of scale * sums as the configuration says, then what this rank has whole of what is
  // clipped adaptively, in place. Returns the squares of this rank's sums before and, with such clipping,
  // after it: the caller all-reduces them with what else it has to say.
  PerTensorSums clip_own(LaneState& state, GradientReducer& gradients, double scale);

  // Global norm of scale * gradient sums before any clipping, from all-reduced clip_own().
  static double gradient_norm(const PerTensorSums& squares, double scale);

  // One step: gradients are scale * sums and the other clipping is done as the configuration says. Counts the
  // step.
  void step(LaneState& state, GradientReducer& gradients, double lr, double scale,
            const PerTensorSums& squares);

  // Whether what the rules call late takes no step, and how many it has taken: the t of its bias corrections.
  void hold_late(bool holds, std::int64_t steps) {
    holds_late_ = holds;
    late_steps_ = steps;
  }

  // From now on, the weight decay of every parameter over that of its rule.
  void scale_weight_decay(double scale) { weight_decay_scale_ = scale; }

  std::int64_t steps() const { return steps_; }  // taken so far: the t of the bias corrections
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  // Cut from this rank's pieces, with scalars by parameter.
  struct Runs {
    UpdateList list;
    std::vector<std::size_t> pieces;  // by run
    std::vector<std::byte*> sums;     // by bucket: where they were when this was built
  };
  enum class Of : std::uint8_t { all, early, statistics };  // all but statistics; of these, what is not late
  Runs& runs(Of which, LaneState& state, GradientReducer& gradients);
  bool belongs(Of which, const ParameterRule& rule) const;
  UpdateStep step_number(std::int64_t steps, double lr, double scale) const;
  std::vector<double> tensor_clips(const PerTensorSums& squares, double scale) const;
  void set_steps_of(UpdateList& list, double lr, double scale, std::span<const double> clips) const;
  void follow_statistics(LaneState& state, GradientReducer& gradients, double scale);
  static void sum_runs(UpdateKernel kernel, LaneState& state, const GradientReducer& gradients, Runs& all,
                       PerTensorSums& sums);
  // Norm of what is left of the gradient before clip_norm.
  double clip_the_rest(LaneState& state, GradientReducer& gradients, double scale,
                       const PerTensorSums& squares);
  void step_lamb(LaneState& state, const GradientReducer& gradients, Runs& all) const;

  OptimizerConfig config_;
  std::vector<ParameterRule> rules_;
  AdaptiveClipping adaptive_;
  Communicator& communicator_;
  std::int64_t steps_ = 0;
  double weight_decay_scale_ = 1;
  bool holds_late_ = false;
  std::int64_t late_steps_ = 0;
  std::array<Runs, 3> runs_;  // by Of
};

}  // namespace vitrail::sharding
