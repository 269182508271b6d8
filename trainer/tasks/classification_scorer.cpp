#include "trainer/tasks/classification_scorer.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include <ATen/ATen.h>

#include "models/heads/logits.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "trainer/tasks/loss.hpp"
#include "trainer/tasks/row_scores.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::size_t kColumns = 3;  // images, top-1, top-5
constexpr std::size_t kAll = 0, kReal = 1, kFirstClass = 2;

}  // namespace

at::Tensor evaluation_logits(const models::Model& model, const at::Tensor& images, bool flip,
                             std::int64_t crops) {
  constexpr std::int64_t kWidth = 3;
  at::Tensor sum;
  for (std::int64_t crop = 0; crop < crops; ++crop) {
    const at::Tensor pictures = crops == 1 ? images : images.slice(0, crop, std::nullopt, crops).contiguous();
    const at::Tensor logits = model.forward(pictures, models::Pass{}).mean();
    sum = crop == 0 ? logits : sum + logits;
    if (flip) sum = sum + model.forward(pictures.flip(kWidth), models::Pass{}).mean();
  }
  const std::int64_t pictures = crops * (flip ? 2 : 1);
  return pictures == 1 ? sum : sum / pictures;
}

ClassificationScorer::ClassificationScorer(Options options)
    : options_(std::move(options)),
      values_(static_cast<std::size_t>(options_.lanes) +
              kColumns * (kFirstClass + static_cast<std::size_t>(options_.classes))) {}

void ClassificationScorer::add(const models::Model& model, const at::Tensor& images,
                               const datasets::EvaluationBatch& batch) {
  const std::int64_t crops = images.size(0) / batch.images_count;
  const at::Tensor logits = evaluation_logits(model, images, options_.flip, crops).to(at::kDouble);
  for (const std::int64_t label : batch.labels) check_label(label, logits.size(1));
  // The images' own labels, then those that are right as well.
  std::vector<RowLabel> labels;
  for (const std::int64_t label : batch.labels)
    labels.push_back({static_cast<std::int64_t>(labels.size()), label});
  for (std::size_t i = 0; options_.real && i < batch.labels.size(); ++i) {
    for (const std::int64_t label : options_.real->of(batch.indices[i]))
      labels.push_back({static_cast<std::int64_t>(i), label});
  }
  const RowScores scores = row_scores_on(logits.device().type());
  const std::vector<std::int64_t> ranks = scores.ranks(logits, labels);
  auto of_real = ranks.begin() + static_cast<std::ptrdiff_t>(batch.labels.size());
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    count(kAll, ranks[i]);
    if (options_.classes > 0) count(kFirstClass + static_cast<std::size_t>(batch.labels[i]), ranks[i]);
    const std::size_t right = options_.real ? options_.real->of(batch.indices[i]).size() : 0;
    if (right == 0) continue;
    count(kReal, *std::min_element(of_real, of_real + static_cast<std::ptrdiff_t>(right)));
    of_real += static_cast<std::ptrdiff_t>(right);
  }
  if (options_.classes > 0) {
    const std::vector<std::int64_t> firsts = scores.firsts(logits);
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
      if (firsts[i] != kNoClass) ++taken_[{batch.labels[i], firsts[i]}];
    }
  }
  double loss = 0;
  for (const double of_image : scores.cross_entropies(logits, batch.labels)) loss += of_image;
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

std::vector<Confusion> ClassificationScorer::confusion(sharding::Communicator& communicator) const {
  std::string own;
  for (const auto& [pair, images] : taken_) own += fmt::format("{} {} {}\n", pair.first, pair.second, images);
  auto all = decltype(taken_)();
  for (const std::string& of_rank : sharding::gather_text(communicator, own)) {
    std::istringstream lines(of_rank);
    for (Confusion one; lines >> one.label >> one.taken_for >> one.images;)
      all[{one.label, one.taken_for}] += one.images;
  }
  std::vector<Confusion> list;
  for (const auto& [pair, images] : all) list.push_back({pair.first, pair.second, images});
  return list;
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
  if (options_.classes > 0) scores.confusion = confusion(communicator);
  return scores;
}

}  // namespace vitrail::trainer
