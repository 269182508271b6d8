#include "trainer/tasks/row_scores.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <ATen/ATen.h>

#include "models/on_device.hpp"

namespace vitrail::trainer {
namespace {

using at::Tensor;

std::span<const double> row_of(const Tensor& logits, std::int64_t row) {
  const std::int64_t classes = logits.size(1);
  return {logits.const_data_ptr<double>() + row * classes, static_cast<std::size_t>(classes)};
}

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

std::vector<std::int64_t> ranks_on_host(const Tensor& logits, const std::vector<RowLabel>& labels) {
  const Tensor wide = logits.to(at::kCPU, at::kDouble).contiguous();
  std::vector<std::int64_t> ranks;
  for (const RowLabel& l : labels) ranks.push_back(rank_of(row_of(wide, l.row), l.label));
  return ranks;
}

std::int64_t first_of(std::span<const double> logits) {
  if (std::ranges::any_of(logits, [](double logit) { return std::isnan(logit); })) return kNoClass;
  return std::ranges::max_element(logits) - logits.begin();
}

std::vector<std::int64_t> firsts_on_host(const Tensor& logits) {
  const Tensor wide = logits.to(at::kCPU, at::kDouble).contiguous();
  std::vector<std::int64_t> firsts;
  for (std::int64_t row = 0; row < wide.size(0); ++row) firsts.push_back(first_of(row_of(wide, row)));
  return firsts;
}

std::vector<double> cross_entropies_on_host(const Tensor& logits, const std::vector<std::int64_t>& labels) {
  const Tensor wide = logits.to(at::kCPU, at::kDouble).contiguous();
  std::vector<double> losses;
  for (std::size_t i = 0; i < labels.size(); ++i)
    losses.push_back(cross_entropy(row_of(wide, static_cast<std::int64_t>(i)), labels[i]));
  return losses;
}

template <class Number>
std::vector<Number> to_host(const Tensor& values) {
  const Tensor own = values.cpu().contiguous();
  return {own.const_data_ptr<Number>(), own.const_data_ptr<Number>() + own.numel()};
}

Tensor column(const std::vector<std::int64_t>& numbers, const Tensor& beside) {
  return models::on_device(numbers, beside.device()).unsqueeze(1);
}

std::vector<std::int64_t> ranks_on_gpu(const Tensor& logits, const std::vector<RowLabel>& labels) {
  std::vector<std::int64_t> rows, classes;
  for (const RowLabel& l : labels) {
    rows.push_back(l.row);
    classes.push_back(l.label);
  }
  const Tensor label = column(classes, logits);
  const Tensor of_row = logits.to(at::kDouble).index_select(0, column(rows, logits).squeeze(1));
  const Tensor own = of_row.gather(1, label);
  const Tensor classes_here = at::arange(logits.size(1), label.options()).unsqueeze(0);
  const Tensor after = of_row.lt(own).logical_or(of_row.eq(own).logical_and(classes_here.ge(label)));
  const Tensor before = after.logical_not().sum(1, /*keepdim=*/true);
  return to_host<std::int64_t>(before.masked_fill(own.isnan(), kNoHit));
}

std::vector<std::int64_t> firsts_on_gpu(const Tensor& logits) {
  const Tensor wide = logits.to(at::kDouble);
  const Tensor classes_here = at::arange(wide.size(1), wide.options().dtype(at::kLong)).unsqueeze(0);
  const Tensor largest = wide.eq(wide.amax(1, /*keepdim=*/true));
  const Tensor first = classes_here.masked_fill(largest.logical_not(), wide.size(1)).amin(1);
  return to_host<std::int64_t>(first.masked_fill(wide.isnan().any(1), kNoClass));
}

std::vector<double> cross_entropies_on_gpu(const Tensor& logits, const std::vector<std::int64_t>& labels) {
  const Tensor wide = logits.to(at::kDouble).narrow(0, 0, static_cast<std::int64_t>(labels.size()));
  const Tensor largest = wide.amax(1, /*keepdim=*/true);
  const Tensor sums = (wide - largest).exp().sum(1, /*keepdim=*/true);
  return to_host<double>(sums.log() + largest - wide.gather(1, column(labels, logits)));
}

}  // namespace

RowScores row_scores_on(at::DeviceType device) {
  if (device == at::kCPU) return {ranks_on_host, firsts_on_host, cross_entropies_on_host};
  return {ranks_on_gpu, firsts_on_gpu, cross_entropies_on_gpu};
}

}  // namespace vitrail::trainer
