// A GPU's way to judge rows, on CPU tensors, against the loops of the host.
#include "trainer/tasks/row_scores.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include <ATen/ATen.h>

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kRows = 7, kClasses = 12;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN(),
                 kInf = std::numeric_limits<double>::infinity();

at::Tensor ties_and_nans() {
  at::Tensor logits = at::arange(kRows * kClasses, at::kDouble).mul(7).fmod(5).view({kRows, kClasses});
  logits[1][3] = kNan;
  logits[2] = kNan;
  return logits;
}

TEST(RowScoresTest, AGpuRanksAsTheHostDoes) {
  at::Tensor logits = ties_and_nans();
  logits[3][0] = kInf;
  logits[4][11] = -kInf;
  std::vector<RowLabel> labels;
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t label = kClasses; label-- > 0;) labels.push_back({row, label});
  }
  const std::vector<std::int64_t> ranks = row_scores_on(at::kCPU).ranks(logits, labels);
  EXPECT_EQ(row_scores_on(at::kCUDA).ranks(logits, labels), ranks);
  EXPECT_EQ(ranks[0], 6);  // row 0 is 0 2 4 1 3 0 2 4 1 3 0 2: before its last 2 come 4s, 3s and other 2s
  EXPECT_EQ(ranks[static_cast<std::size_t>(kClasses + 8)], kNoHit);
}

TEST(RowScoresTest, TheFirstClassIsTheOneOfRankZero) {
  at::Tensor logits = ties_and_nans();
  logits[3][7] = kInf;
  logits[4] = -kInf;
  const std::vector<std::int64_t> firsts = row_scores_on(at::kCPU).firsts(logits);
  EXPECT_EQ(row_scores_on(at::kCUDA).firsts(logits), firsts);
  ASSERT_EQ(firsts.size(), kRows);
  EXPECT_EQ(firsts[0], 2);  // the first of two 4s
  EXPECT_EQ(firsts[3], 7);
  EXPECT_EQ(firsts[4], 0);
  for (std::int64_t row = 0; row < kRows; ++row) {
    std::vector<RowLabel> labels;
    for (std::int64_t label = 0; label < kClasses; ++label) labels.push_back({row, label});
    const std::vector<std::int64_t> ranks = row_scores_on(at::kCPU).ranks(logits, labels);
    const auto zero = std::ranges::find(ranks, 0);
    EXPECT_EQ(firsts[static_cast<std::size_t>(row)], zero == ranks.end() ? kNoClass : zero - ranks.begin());
  }
}

TEST(RowScoresTest, AGpuHasTheHostsCrossEntropy) {
  at::Generator generator = at::detail::createCPUGenerator(3);
  const at::Tensor logits = at::randn({kRows, kClasses}, generator, at::kDouble) * 40;
  const std::vector<std::int64_t> labels = {0, 11, 5, 3, 3};  // the last rows have none
  const std::vector<double> host = row_scores_on(at::kCPU).cross_entropies(logits, labels);
  const std::vector<double> gpu = row_scores_on(at::kCUDA).cross_entropies(logits, labels);
  ASSERT_EQ(gpu.size(), labels.size());
  const at::Tensor exact =
      at::cross_entropy_loss(logits.narrow(0, 0, 5), at::tensor(labels, at::kLong), {}, at::Reduction::None);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    EXPECT_NEAR(gpu[i], exact[static_cast<std::int64_t>(i)].item<double>(), 1e-12) << i;
    EXPECT_NEAR(host[i], gpu[i], 1e-12) << i;
  }
}

TEST(RowScoresTest, NoNumberIsNoLoss) {
  at::Tensor logits = at::zeros({2, kClasses}, at::kDouble);
  logits[1][4] = std::numeric_limits<double>::quiet_NaN();
  for (const at::DeviceType device : {at::kCPU, at::kCUDA}) {
    const std::vector<double> losses = row_scores_on(device).cross_entropies(logits, {0, 0});
    EXPECT_NEAR(losses[0], std::log(kClasses), 1e-12);
    EXPECT_TRUE(std::isnan(losses[1]));
  }
}

}  // namespace
}  // namespace vitrail::trainer
