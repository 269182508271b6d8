#include "trainer/tasks/classification_scorer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include <ATen/ATen.h>

#include "models/heads/logits.hpp"
#include "trainer/tasks/loss.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::size_t kColumns = 3;  // images, top-1, top-5
constexpr std::size_t kAll = 0, kReal = 1, kFirstClass = 2;
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

}  // namespace

at::Tensor evaluation_logits(const models::Model& model, const at::Tensor& images, bool flip) {
  const at::Tensor logits = model.forward(images, models::Pass{}).mean();
  constexpr std::int64_t kWidth = 3;
  return flip ? (logits + model.forward(images.flip(kWidth), models::Pass{}).mean()) / 2 : logits;
}

ClassificationScorer::ClassificationScorer(Options options)
    : options_(std::move(options)),
      values_(static_cast<std::size_t>(options_.lanes) +
              kColumns * (kFirstClass + static_cast<std::size_t>(options_.classes))) {}

void ClassificationScorer::add(const models::Model& model, const at::Tensor& images,
                               const datasets::EvaluationBatch& batch) {
  const at::Tensor logits =
      evaluation_logits(model, images, options_.flip).to(at::kCPU, at::kDouble).contiguous();
  const std::int64_t classes = logits.size(1);
  double loss = 0;
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    const std::int64_t label = batch.labels[i];
    check_label(label, classes);
    const std::span row(logits.const_data_ptr<double>() + static_cast<std::int64_t>(i) * classes,
                        static_cast<std::size_t>(classes));
    const std::int64_t rank = rank_of(row, label);
    count(kAll, rank);
    loss += cross_entropy(row, label);
    if (options_.classes > 0) count(kFirstClass + static_cast<std::size_t>(label), rank);
    if (!options_.real || options_.real->of(batch.indices[i]).empty()) continue;
    std::int64_t best = kNoHit;
    for (const std::int64_t other : options_.real->of(batch.indices[i]))
      best = std::min(best, rank_of(row, other));
    count(kReal, best);
  }
  values_[static_cast<std::size_t>(batch.lane)] += loss;
}

void ClassificationScorer::count(std::size_t row, std::int64_t rank) {
  double* counts = &values_[static_cast<std::size_t>(options_.lanes) + kColumns * row];
  counts[0] += 1;
  counts[1] += rank < 1 ? 1 : 0;
  counts[2] += rank < 5 ? 1 : 0;
}

Accuracy ClassificationScorer::accuracy(std::size_t row) const {
  const double* counts = &values_[static_cast<std::size_t>(options_.lanes) + kColumns * row];
  const double images = std::max(counts[0], 1.0);  // a class without images has no accuracy: 0
  return {static_cast<std::int64_t>(counts[0]), 100 * counts[1] / images, 100 * counts[2] / images};
}

Scores ClassificationScorer::finish(sharding::Communicator& communicator) {
  communicator.all_reduce_sum(values_);
  const Accuracy all = accuracy(kAll);
  double loss = 0;
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(options_.lanes); ++lane) loss += values_[lane];
  Scores scores{
      all.images,
      {top1_score(all.top1), top5_score(all.top5), loss_score(loss / static_cast<double>(all.images))}};
  if (options_.real) scores.real = accuracy(kReal);
  for (std::int64_t k = 0; k < options_.classes; ++k)
    scores.by_class.push_back(accuracy(kFirstClass + static_cast<std::size_t>(k)));
  return scores;
}

}  // namespace vitrail::trainer
