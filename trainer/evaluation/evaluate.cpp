#include "trainer/evaluation/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/heads/logits.hpp"
#include "sharding/plan/lanes.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/tasks/loss.hpp"

namespace vitrail::trainer {
namespace {

// What ranks add up: counts, which doubles hold exactly, and each lane's sum of losses, which one rank fills.
class Sums {
 public:
  explicit Sums(const EvaluationOptions& plan)
      : lanes_(static_cast<std::size_t>(plan.lanes)), classes_(static_cast<std::size_t>(plan.classes)) {
    values_.resize(1 + lanes_ + kColumns * (2 + classes_));
  }

  double& stop() { return values_[0]; }  // ranks that want to
  double& loss(std::int64_t lane) { return values_[1 + static_cast<std::size_t>(lane)]; }
  void count(std::int64_t rank) { add(0, rank); }
  void count_real(std::int64_t rank) { add(1, rank); }
  void count_class(std::int64_t label, std::int64_t rank) { add(2 + static_cast<std::size_t>(label), rank); }
  std::vector<double>& values() { return values_; }

  EvaluationMetrics metrics(bool with_real) {
    const Accuracy all = accuracy(0);
    double loss_sum = 0;
    for (std::size_t lane = 0; lane < lanes_; ++lane) loss_sum += values_[1 + lane];
    EvaluationMetrics m{all.images, all.top1, all.top5, loss_sum / static_cast<double>(all.images)};
    if (with_real) m.real = accuracy(1);
    for (std::size_t k = 0; k < classes_; ++k) m.by_class.push_back(accuracy(2 + k));
    return m;
  }

 private:
  static constexpr std::size_t kColumns = 3;  // images, top-1, top-5

  double* row(std::size_t i) { return values_.data() + 1 + lanes_ + kColumns * i; }
  void add(std::size_t i, std::int64_t rank) {
    row(i)[0] += 1;
    row(i)[1] += rank < 1 ? 1 : 0;
    row(i)[2] += rank < 5 ? 1 : 0;
  }
  Accuracy accuracy(std::size_t i) {
    const double* counts = row(i);
    const double images = std::max(counts[0], 1.0);  // a class without images has no accuracy: 0
    return {static_cast<std::int64_t>(counts[0]), 100 * counts[1] / images, 100 * counts[2] / images};
  }

  std::size_t lanes_, classes_;
  std::vector<double> values_;
};

constexpr std::int64_t kNoHit = std::numeric_limits<std::int64_t>::max();

// How many classes rank before `label`. NaN ranks before every number and is no hit: a broken network must
// not look like a perfect one.
std::int64_t rank_of(std::span<const double> logits, std::int64_t label) {
  const double own = logits[static_cast<std::size_t>(label)];
  if (std::isnan(own)) return kNoHit;
  std::int64_t before = 0;
  for (std::int64_t k = 0; k < static_cast<std::int64_t>(logits.size()); ++k) {
    const double other = logits[static_cast<std::size_t>(k)];
    const bool after = other < own || (other == own && k > label);
    before += k == label || after ? 0 : 1;
  }
  return before;
}

double cross_entropy(std::span<const double> logits, std::int64_t label) {
  double largest = logits[0];
  for (const double logit : logits) largest = std::max(largest, logit);
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest - logits[static_cast<std::size_t>(label)];
}

void count_batch(const at::Tensor& logits, const datasets::EvaluationBatch& batch,
                 const EvaluationOptions& plan, Sums& sums) {
  const at::Tensor wide = logits.to(at::kCPU, at::kDouble).contiguous();
  const std::int64_t classes = wide.size(1);
  double loss = 0;
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    const std::int64_t label = batch.labels[i];
    check_label(label, classes);
    const std::span row(wide.const_data_ptr<double>() + static_cast<std::int64_t>(i) * classes,
                        static_cast<std::size_t>(classes));
    const std::int64_t rank = rank_of(row, label);
    sums.count(rank);
    loss += cross_entropy(row, label);
    if (plan.classes > 0) sums.count_class(label, rank);
    if (!plan.real || plan.real->of(batch.indices[i]).empty()) continue;
    std::int64_t best = kNoHit;
    for (const std::int64_t other : plan.real->of(batch.indices[i]))
      best = std::min(best, rank_of(row, other));
    sums.count_real(best);
  }
  sums.loss(batch.lane) += loss;
}

}  // namespace

EvaluationOptions evaluation_options(const Config& config, c10::Device device) {
  return {config.run.lanes,
          config.evaluation.batch_size,
          config.data.workers,
          {config.model.image_size, config.evaluation.crop_ratio, config.data.normalisation},
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
                                          const EvaluationOptions& plan, sharding::Communicator& communicator,
                                          const std::function<bool()>& interrupted) {
  const at::NoGradGuard no_grad;
  const auto lanes = sharding::lanes_of_rank(plan.lanes, communicator.size(), communicator.rank());
  datasets::EvaluationLoader loader(dataset, {0, plan.lanes, lanes.begin, lanes.end}, plan.transform,
                                    plan.batch, plan.workers, batch_memory(plan.device));
  const std::int64_t per_lane = (dataset->size() + plan.lanes - 1) / plan.lanes;
  Progress progress(communicator.size() > 1 ? "evaluation on rank 0" : "evaluation", "images",
                    static_cast<std::uint64_t>(std::min(dataset->size(), per_lane * lanes.count())),
                    communicator.rank() == 0);
  Sums sums(plan);
  datasets::EvaluationBatch batch;
  while (loader.next(batch)) {
    const at::Tensor images =
        image_tensor(batch.images, batch.images_count, plan.transform.image_size, plan.type, plan.device);
    count_batch(evaluation_logits(model, images, plan.flip), batch, plan, sums);
    progress.add(static_cast<std::uint64_t>(batch.images_count));
    if (interrupted()) {
      sums.stop() = 1;
      break;
    }
  }
  communicator.all_reduce_sum(sums.values());
  if (sums.stop() > 0) return std::nullopt;
  return sums.metrics(plan.real != nullptr);
}

}  // namespace vitrail::trainer
