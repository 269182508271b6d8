#include "trainer/tasks/classification.hpp"

#include <ATen/ATen.h>

#include "models/layers/precision.hpp"
#include "trainer/tasks/classification_scorer.hpp"
#include "trainer/tasks/loss.hpp"
#include "trainer/tasks/same_classes.hpp"
#include "trainer/tasks/task_views.hpp"

namespace vitrail::trainer {

at::Tensor distillation_loss(const DistillationConfig& config, const at::Tensor& student,
                             const at::Tensor& teacher) {
  if (config.type == DistillationType::hard) return at::cross_entropy_loss(student, teacher.argmax(1));
  const at::Tensor ours = at::log_softmax(student / config.tau, 1);
  const at::Tensor theirs = at::log_softmax(teacher / config.tau, 1);
  return (theirs.exp() * (theirs - ours)).sum() *
         (config.tau * config.tau / static_cast<double>(student.numel()));
}

at::Tensor classification_loss(const Config& config, const datasets::LaneBatch& batch,
                               const models::Logits& logits, const at::Tensor& teacher) {
  const bool taught = teacher.defined();
  const at::Tensor labelled = taught ? models::widened(logits.classes) : logits.mean();
  const at::Tensor of_labels =
      training_loss(config.loss, labelled, soft_targets(batch, labelled, config.loss.smoothing));
  if (!taught) return of_labels;
  const at::Tensor& head = logits.distillation.defined() ? logits.distillation : logits.classes;
  const double alpha = config.distillation.alpha;
  return of_labels * (1 - alpha) +
         distillation_loss(config.distillation, models::widened(head), teacher) * alpha;
}

Classification::Classification(const Config& config, c10::Device device, const datasets::Dataset& data)
    : config_(config) {
  if (config.distillation.type == DistillationType::none) return;
  teacher_ = std::make_unique<const Teacher>(config, device);
  check_same_classes(teacher_->classes(),
                     "distillation.teacher_weights = " + config.distillation.teacher_weights, data);
}

std::vector<datasets::ViewPlan> Classification::views() const { return task_views(config_); }

at::Tensor Classification::lane_loss(const LaneInput& lane, std::span<double> /*shared*/) const {
  const at::Tensor& images = lane.views.front();
  const models::Logits logits = lane.student.forward(images, lane.pass);
  return classification_loss(config_, lane.batch, logits, teacher_ ? teacher_->logits(images) : at::Tensor());
}

std::unique_ptr<Scorer> Classification::scorer() const {
  return std::make_unique<ClassificationScorer>(
      ClassificationScorer::Options{config_.run.lanes, config_.evaluation.flip});
}

std::vector<std::string> Classification::log_lines() const {
  return teacher_ ? teacher_->log_lines() : std::vector<std::string>();
}

}  // namespace vitrail::trainer
