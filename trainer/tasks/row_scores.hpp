// How a row of logits [n,K] judges a label: its rank, the cross entropy; and what it says itself. Computed in
// doubles where the logits lie: element by element on a host, as tensors on a GPU, which so hands over a few
// numbers instead of all logits. Ties go to the lower class; NaN ranks before every number.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/core/Tensor.h>

namespace vitrail::trainer {

struct RowLabel {
  std::int64_t row, label;
};

// The rank of a label whose own logit is NaN: a broken network must not look like a perfect one.
inline constexpr std::int64_t kNoHit = std::numeric_limits<std::int64_t>::max();

// How many classes rank before each label.
using Ranks = std::vector<std::int64_t> (*)(const at::Tensor& logits, const std::vector<RowLabel>& labels);
// labels[i] is that of row i.
using CrossEntropies = std::vector<double> (*)(const at::Tensor& logits,
                                               const std::vector<std::int64_t>& labels);

// The class of rank 0 in each row; kNoClass where a logit is NaN: a label's rank is not 0 there either.
using Firsts = std::vector<std::int64_t> (*)(const at::Tensor& logits);
inline constexpr std::int64_t kNoClass = -1;

struct RowScores {
  Ranks ranks;
  Firsts firsts;
  CrossEntropies cross_entropies;
};
RowScores row_scores_on(at::DeviceType device);

}  // namespace vitrail::trainer
