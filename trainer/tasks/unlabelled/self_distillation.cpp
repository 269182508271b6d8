#include "trainer/tasks/unlabelled/self_distillation.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "datasets/loader/sampler.hpp"
#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/precision.hpp"
#include "models/on_device.hpp"
#include "trainer/base/error.hpp"
#include "trainer/tasks/task_views.hpp"
#include "trainer/tasks/unlabelled/pass_statistics.hpp"

namespace vitrail::trainer {
namespace {

const char* const kCentre = "centre";
const char* const kLastLayerSteps = "last_layer_steps";

at::Tensor joined(std::span<const at::Tensor> views) {
  return at::cat(at::TensorList(views.data(), views.size()));
}

at::Tensor small_views(const LaneInput& lane, const models::Pass& pass) {
  try {
    return lane.student.features(joined(lane.views.subspan(kGlobalViews)), pass).pooled;
  } catch (const Error& e) {
    throw e.in(fmt::format("dino.local_size = {}", pass.image_size));
  }
}

}  // namespace

at::Tensor self_distillation_loss(const at::Tensor& students, const at::Tensor& teachers,
                                  std::int64_t views) {
  const std::vector<at::Tensor> answers = at::log_softmax(students, 1).chunk(views);
  const std::vector<at::Tensor> targets = teachers.chunk(kGlobalViews);
  at::Tensor sum;
  for (std::int64_t v = 0; v < views; ++v) {
    const at::Tensor target =
        v >= kGlobalViews ? targets[0] + targets[1] : targets[static_cast<std::size_t>(1 - v)];
    const at::Tensor loss = -(target * answers[static_cast<std::size_t>(v)]).sum(1).mean();
    sum = sum.defined() ? sum + loss : loss;
  }
  return sum / static_cast<double>(kGlobalViews * views - kGlobalViews);
}

SelfDistillation::SelfDistillation(const Config& config, std::int64_t samples)
    : dino_(config.dino),
      views_(task_views(config)),
      image_size_(config.model.image_size),
      lanes_(config.lane_groups()),
      steps_per_epoch_(datasets::steps_per_epoch(samples, config.data.global_batch_size)),
      total_steps_(config.run.steps > 0 ? config.run.steps : config.run.epochs * steps_per_epoch_) {}

// A pass for each size of views, then the head once for all of them: [V*b,K].
at::Tensor SelfDistillation::student_outputs(const LaneInput& lane, const at::Tensor& global) const {
  PassStatistics statistics;
  models::Pass pass = lane.pass;
  statistics.listen(pass);
  models::Features features = lane.student.features(global, pass);
  if (dino_.local_views > 0) {
    models::Pass local = pass;
    local.number = 1;
    local.image_size = dino_.local_size;
    features.pooled = at::cat({features.pooled, small_views(lane, local)});
  }
  const at::Tensor outputs = lane.student.logits(features, pass).classes;
  statistics.report(lane.pass);
  return models::widened(outputs);
}

at::Tensor SelfDistillation::lane_loss(const LaneInput& lane, std::span<double> shared) const {
  const at::Tensor global = joined(lane.views.first(kGlobalViews));
  const at::Tensor learned = student_outputs(lane, global);
  at::Tensor targets;
  {
    const at::NoGradGuard no_grad;
    const at::Tensor taught = models::widened(lane.teacher->forward(global, lane.teacher_pass).classes);
    const at::Tensor mean = taught.to(at::kDouble).mean(0).to(at::kCPU);
    std::copy_n(mean.const_data_ptr<double>(), mean.numel(), shared.begin());
    const at::Tensor centre =
        models::on_device(lane.state.at(kCentre), taught.device()).to(taught.scalar_type());
    const auto epoch = static_cast<std::int64_t>(lane.pass.step) / steps_per_epoch_;
    targets = at::softmax((taught - centre) / teacher_temperature(epoch), 1);
  }
  return self_distillation_loss(learned / dino_.student_temperature, targets,
                                static_cast<std::int64_t>(lane.views.size()));
}

void SelfDistillation::after_exchange(const LaneValues& shared, TaskState& state,
                                      sharding::SampleRows* /*rows*/) const {
  const std::vector<double> sums = shared.sums();
  std::vector<double>& centre = state.at(kCentre);
  const double kept = dino_.centre_momentum;
  for (std::size_t k = 0; k < centre.size(); ++k)
    centre[k] = kept * centre[k] + (1 - kept) * (sums[k] / static_cast<double>(lanes_));
}

void SelfDistillation::before_update(std::int64_t step, sharding::ShardedOptimizer& optimizer,
                                     TaskState& state) const {
  double& taken = state.at(kLastLayerSteps).front();
  const bool holds = step / steps_per_epoch_ < dino_.freeze_last_layer;
  optimizer.hold_late(holds, static_cast<std::int64_t>(taken));
  if (!holds) ++taken;
}

double SelfDistillation::teacher_momentum(std::int64_t step) const {
  return rising_momentum(dino_.momentum, step, total_steps_);
}

double SelfDistillation::teacher_temperature(std::int64_t epoch) const {
  const std::int64_t warmup = dino_.temperature_warmup;
  if (epoch >= warmup) return dino_.teacher_temperature;
  const double done = warmup == 1 ? 0 : static_cast<double>(epoch) / static_cast<double>(warmup - 1);
  return dino_.warmup_temperature + done * (dino_.teacher_temperature - dino_.warmup_temperature);
}

TaskState SelfDistillation::initial_state() const {
  return {{kCentre, std::vector<double>(outputs())}, {kLastLayerSteps, {0}}};
}

std::vector<std::string> SelfDistillation::log_lines() const {
  return {
      fmt::format("dino: the average of the weights teaches by {} views of {} px; the student sees {} "
                  "more of {} px; {} prototypes",
                  kGlobalViews, image_size_, dino_.local_views, dino_.local_size, dino_.head.outputs)};
}

}  // namespace vitrail::trainer
