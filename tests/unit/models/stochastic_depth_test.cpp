#include "models/layers/stochastic_depth.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

namespace vitrail::models {
namespace {

constexpr double kScale = 1 / (1 - 0.4);

struct BranchOutcome {
  at::Tensor value, x_gradient, weight_gradient, gain_gradient;
};

Pass pass_that_keeps(const std::vector<std::int64_t>& kept) {
  Pass pass;
  pass.training = true;
  pass.kept_images = [kept](int, int, std::int64_t) { return kept; };
  pass.rows = std::make_shared<const KeptRows>(DropPath{{0.4}, 2}, pass, 5, at::kCPU);
  return pass;
}

// Value and gradients of a branch with a norm and a matrix, by `combine(x, branch)`.
template <class Combine>
BranchOutcome outcome(Combine combine) {
  at::Generator generator = at::detail::createCPUGenerator(4);
  const auto random = [&](std::vector<std::int64_t> shape) {
    return at::randn(shape, generator, at::TensorOptions().dtype(at::kDouble));
  };
  const at::Tensor x = random({5, 3, 4}).requires_grad_();
  const at::Tensor weight = random({4, 4}).requires_grad_();
  const at::Tensor gain = random({4}).requires_grad_();
  const at::Tensor probe = random({5, 3, 4});
  const Branch matrix = [&](const at::Tensor& z) { return at::linear(z, weight); };
  const NormedBranch branch{{gain, at::zeros({4}, at::kDouble)}, at::kDouble, {}, matrix};
  const at::Tensor value = combine(x, branch);
  (value * probe).sum().backward();
  return {value.detach(), x.grad(), weight.grad(), gain.grad()};
}

class StochasticDepthTest : public ::testing::TestWithParam<std::vector<std::int64_t>> {};

at::Tensor computed(const at::Tensor& x, const NormedBranch& branch) {
  return branch.f(at::layer_norm(x, {x.size(-1)}, branch.norm.weight, branch.norm.bias, 1e-6));
}

void expect_same(const BranchOutcome& ours, const BranchOutcome& reference) {
  EXPECT_TRUE(at::allclose(ours.value, reference.value, 1e-13, 1e-13));
  EXPECT_TRUE(at::allclose(ours.x_gradient, reference.x_gradient, 1e-13, 1e-13));
  // Defined, and zero, also where no image was kept.
  ASSERT_TRUE(ours.weight_gradient.defined());
  ASSERT_TRUE(ours.gain_gradient.defined());
  EXPECT_TRUE(at::allclose(ours.weight_gradient, reference.weight_gradient, 1e-13, 1e-13));
  EXPECT_TRUE(at::allclose(ours.gain_gradient, reference.gain_gradient, 1e-13, 1e-13));
}

TEST_P(StochasticDepthTest, IsComputingAllAndZeroingTheDropped) {
  const std::vector<std::int64_t>& kept = GetParam();
  const Pass pass = pass_that_keeps(kept);
  const StochasticDepth depth(pass, 0);
  at::Tensor mask = at::zeros({5, 1, 1}, at::kDouble);
  for (const std::int64_t row : kept) mask[row] = kScale;
  const BranchOutcome reference = outcome(
      [&](const at::Tensor& x, const NormedBranch& branch) { return x + mask * computed(x, branch); });
  expect_same(
      outcome([&](const at::Tensor& x, const NormedBranch& branch) { return depth.add(x, x, 0, branch); }),
      reference);
  expect_same(outcome([&](const at::Tensor& x, NormedBranch branch) {
                branch.recomputed = true;
                return depth.add(x, x, 1, branch);
              }),
              reference);
  expect_same(outcome([&](const at::Tensor& x, const NormedBranch& branch) {
                return depth.add(x, x, 1, Branch([&](const at::Tensor& z) { return computed(z, branch); }));
              }),
              reference);
  expect_same(outcome([&](const at::Tensor& x, const NormedBranch& branch) {
                return depth.add_computed(x, computed(x, branch), 1);
              }),
              reference);
}

// Two branches that read the same input, as parallel ones do.
TEST_P(StochasticDepthTest, BranchesMayShareTheirInput) {
  const std::vector<std::int64_t>& kept = GetParam();
  const Pass pass = pass_that_keeps(kept);
  const StochasticDepth depth(pass, 0);
  at::Tensor mask = at::zeros({5, 1, 1}, at::kDouble);
  for (const std::int64_t row : kept) mask[row] = kScale;
  expect_same(outcome([&](const at::Tensor& x, const NormedBranch& branch) {
                return depth.add(depth.add(x, x, 0, branch), x, 1, branch);
              }),
              outcome([&](const at::Tensor& x, const NormedBranch& branch) {
                return x + mask * computed(x, branch) + mask * computed(x, branch);
              }));
}

INSTANTIATE_TEST_SUITE_P(Masks, StochasticDepthTest,
                         ::testing::Values(std::vector<std::int64_t>{}, std::vector<std::int64_t>{3},
                                           std::vector<std::int64_t>{0, 2, 4},
                                           std::vector<std::int64_t>{0, 1, 2, 3, 4}));

TEST(StochasticDepthRowsTest, TheBranchSeesOnlyTheKeptRows) {
  const at::Tensor x = at::arange(10, at::kFloat).view({5, 2});
  at::Tensor seen;
  const Pass pass = pass_that_keeps({1, 4});
  const at::Tensor value = StochasticDepth(pass, 0).add(x, x, 0, Branch([&](const at::Tensor& z) {
                                                          seen = z;
                                                          return at::ones_like(z);
                                                        }));
  EXPECT_TRUE(at::equal(seen, at::stack({x[1], x[4]})));
  EXPECT_TRUE(at::equal(value[0], x[0]));
  EXPECT_TRUE(at::allclose(value[4], x[4] + kScale));
}

}  // namespace
}  // namespace vitrail::models
