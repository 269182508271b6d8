#include "trainer/evaluate.hpp"

#include <algorithm>
#include <cmath>

#include <torch/torch.h>

#include "models/logits.hpp"
#include "sharding/lanes.hpp"
#include "trainer/base/progress.hpp"
#include "trainer/compute_device.hpp"
#include "trainer/loss.hpp"
#include "trainer/tensor_type.hpp"

namespace vitrail::trainer {
namespace {

// Sums of one lane; doubles hold the counts exactly.
struct LaneCounts {
  double images = 0, top1 = 0, top5 = 0, loss = 0;
};
constexpr std::size_t kColumns = 4;

// NaN ranks before every number and is no hit: a broken network must not look like a perfect one.
void count(const double* logits, std::int64_t classes, std::int64_t label, LaneCounts& counts) {
  const double own = logits[label];
  std::int64_t before = 0;  // classes that rank before the label's
  double largest = logits[0];
  for (std::int64_t k = 0; k < classes; ++k) {
    const bool after = logits[k] < own || (logits[k] == own && k > label);
    before += k == label || after ? 0 : 1;
    largest = std::max(largest, logits[k]);
  }
  double sum = 0;
  for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(logits[k] - largest);
  counts.images += 1;
  counts.top1 += before < 1 && !std::isnan(own) ? 1 : 0;
  counts.top5 += before < 5 && !std::isnan(own) ? 1 : 0;
  counts.loss += std::log(sum) + largest - own;
}

void count_batch(const at::Tensor& logits, const datasets::EvaluationBatch& batch, LaneCounts& counts) {
  const at::Tensor wide = logits.to(at::kCPU, at::kDouble).contiguous();
  const std::int64_t classes = wide.size(1);
  for (std::int64_t i = 0; i < batch.images_count; ++i) {
    const std::int64_t label = batch.labels[static_cast<std::size_t>(i)];
    check_label(label, classes);
    count(wide.const_data_ptr<double>() + i * classes, classes, label, counts);
  }
}

EvaluationMetrics total(const std::vector<double>& lanes) {
  LaneCounts all;
  for (std::size_t at = 0; at + kColumns <= lanes.size(); at += kColumns) {
    all.images += lanes[at];
    all.top1 += lanes[at + 1];
    all.top5 += lanes[at + 2];
    all.loss += lanes[at + 3];
  }
  return {static_cast<std::int64_t>(all.images), 100 * all.top1 / all.images, 100 * all.top5 / all.images,
          all.loss / all.images};
}

}  // namespace

EvaluationPlan evaluation_plan(const Config& config, c10::Device device) {
  return {config.run.lanes,
          config.evaluation.batch_size,
          config.data.workers,
          {config.model.image_size, config.evaluation.crop_ratio},
          compute_type(config.precision.compute),
          config.evaluation.flip,
          device};
}

at::Tensor evaluation_logits(const models::Model& model, const at::Tensor& images, bool flip) {
  const at::Tensor logits = model.forward(images, models::Pass{}).mean();
  constexpr std::int64_t kColumns = 3;
  return flip ? (logits + model.forward(images.flip(kColumns), models::Pass{}).mean()) / 2 : logits;
}

std::optional<EvaluationMetrics> evaluate(const models::Model& model,
                                          std::shared_ptr<const datasets::Dataset> dataset,
                                          const EvaluationPlan& plan, sharding::Communicator& communicator,
                                          const std::function<bool()>& interrupted) {
  const at::NoGradGuard no_grad;
  const auto lanes = sharding::lanes_of_rank(plan.lanes, communicator.size(), communicator.rank());
  datasets::EvaluationLoader loader(dataset, {0, plan.lanes, lanes.begin, lanes.end}, plan.transform,
                                    plan.batch, plan.workers, batch_memory(plan.device));
  const std::int64_t per_lane = (dataset->size() + plan.lanes - 1) / plan.lanes;
  Progress progress(communicator.size() > 1 ? "evaluation on rank 0" : "evaluation", "images",
                    static_cast<std::uint64_t>(std::min(dataset->size(), per_lane * lanes.count())),
                    communicator.rank() == 0);
  std::vector<double> sums(static_cast<std::size_t>(plan.lanes) * kColumns +
                           1);  // the last: ranks that want to stop
  datasets::EvaluationBatch batch;
  while (loader.next(batch)) {
    const at::Tensor images =
        image_tensor(batch.images, batch.images_count, plan.transform.image_size, plan.type, plan.device);
    LaneCounts counts;
    count_batch(evaluation_logits(model, images, plan.flip), batch, counts);
    double* lane = sums.data() + static_cast<std::size_t>(batch.lane) * kColumns;
    lane[0] += counts.images;
    lane[1] += counts.top1;
    lane[2] += counts.top5;
    lane[3] += counts.loss;
    progress.add(static_cast<std::uint64_t>(batch.images_count));
    if (interrupted()) {
      sums.back() = 1;
      break;
    }
  }
  communicator.all_reduce_sum(sums);
  if (sums.back() > 0) return std::nullopt;
  sums.pop_back();
  return total(sums);
}

}  // namespace vitrail::trainer
