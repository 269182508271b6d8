#include "trainer/tasks/loss.hpp"

#include <ATen/ATen.h>

#include "models/on_device.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

at::Tensor smoothed(const std::vector<std::int64_t>& labels, const at::Tensor& logits, double smoothing) {
  const std::int64_t classes = logits.size(1);
  for (const std::int64_t label : labels) check_label(label, classes);
  const double off = smoothing / static_cast<double>(classes);
  const at::Tensor index = models::on_device(labels, logits.device()).unsqueeze(1);
  return at::full_like(logits.detach(), off).scatter_(1, index, 1.0 - smoothing + off);
}

}  // namespace

void check_label(std::int64_t label, std::int64_t classes) {
  if (label >= 0 && label < classes) return;
  throw Error(ExitCode::bad_data,
              fmt::format("label {} in the data, but the model has {} classes", label, classes),
              "set model.classes to the data set's");
}

at::Tensor soft_targets(const datasets::LaneBatch& batch, const at::Tensor& logits, double smoothing) {
  const at::Tensor own = smoothed(batch.labels, logits, smoothing);
  if (batch.partner_labels == batch.labels) return own;
  const at::Tensor partner = smoothed(batch.partner_labels, logits, smoothing);
  const at::Tensor weight =
      models::on_device(batch.weights, logits.device()).to(logits.scalar_type()).unsqueeze(1);
  return own * weight + partner * (1 - weight);
}

at::Tensor training_loss(const LossConfig& config, const at::Tensor& logits, const at::Tensor& targets) {
  if (config.name == LossName::ce) return (-targets * at::log_softmax(logits, 1)).sum(1).mean();
  return at::binary_cross_entropy_with_logits(logits, targets.gt(config.threshold).to(logits.scalar_type()));
}

}  // namespace vitrail::trainer
