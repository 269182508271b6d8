// DINO (Caron et al. 2021): the student's outputs for every view of an image approach the teacher's for the
// other global one. The teacher is the average of the student's weights; a centre, the running mean of its
// outputs over all lanes, is taken from them. Source: the authors' code. State: centre [K]; how many steps
// the last layer has taken.
#pragma once

#include "trainer/tasks/task.hpp"

namespace vitrail::trainer {

// The mean over pairs of a teacher's view and another one of the student's, and over images, of the
// cross-entropy. students [V*b,K]: logits over their temperature; teachers [2*b,K]: probabilities. View after
// view; the teacher's are the first two.
at::Tensor self_distillation_loss(const at::Tensor& students, const at::Tensor& teachers, std::int64_t views);

class SelfDistillation final : public Task {
 public:
  SelfDistillation(const Config& config, std::int64_t samples);

  std::vector<datasets::ViewPlan> views() const override { return views_; }
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override;
  std::size_t shared_values() const override { return outputs(); }
  void after_exchange(const LaneValues& shared, TaskState& state, sharding::SampleRows* rows) const override;
  void before_update(std::int64_t step, sharding::ShardedOptimizer& optimizer,
                     TaskState& state) const override;
  double teacher_momentum(std::int64_t step) const override;
  TaskState initial_state() const override;
  std::vector<std::string> log_lines() const override;

  double teacher_temperature(std::int64_t epoch) const;

 private:
  std::size_t outputs() const { return static_cast<std::size_t>(dino_.head.outputs); }
  at::Tensor student_outputs(const LaneInput& lane, const at::Tensor& global) const;

  DinoConfig dino_;
  std::vector<datasets::ViewPlan> views_;
  std::int64_t image_size_, lanes_, steps_per_epoch_, total_steps_;
};

}  // namespace vitrail::trainer
