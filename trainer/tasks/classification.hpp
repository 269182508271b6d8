// Supervised classification, with a teacher where there is one: its answer is a second target, which the
// student's distillation head learns (DeiT), or its only head both (CaiT). Source: DeiT's losses.
#pragma once

#include <memory>

#include "models/heads/logits.hpp"
#include "trainer/tasks/frozen_teacher.hpp"
#include "trainer/tasks/task.hpp"

namespace vitrail::trainer {

// Logits [B,K] of both. hard: cross-entropy with the teacher's likeliest class; soft: tau^2 KL of the
// probabilities at temperature tau, averaged over images and classes.
at::Tensor distillation_loss(const DistillationConfig& config, const at::Tensor& student,
                             const at::Tensor& teacher);

// The loss of the labels (loss.hpp) on the mean of the heads; with a teacher's logits, which are undefined
// without one, (1 - alpha) of it on the class head, and alpha of the distillation loss.
at::Tensor classification_loss(const Config& config, const datasets::LaneBatch& batch,
                               const models::Logits& logits, const at::Tensor& teacher);

class Classification final : public Task {
 public:
  // `data`: whose classes a teacher's must be.
  Classification(const Config& config, c10::Device device, const datasets::Dataset& data);

  std::vector<datasets::ViewPlan> views() const override;
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override;
  std::unique_ptr<Scorer> scorer() const override;
  std::vector<std::string> log_lines() const override;

 private:
  const Config& config_;
  std::unique_ptr<const Teacher> teacher_;  // null: none
};

}  // namespace vitrail::trainer
