// Half precision on a CPU: storage and rounding around fp32 products. LibTorch's own half kernels, slow and
// made by others, are the reference.
#include "models/layers/precision.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>

namespace vitrail::models {
namespace {

using at::Tensor;

class Half : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { at::manual_seed(5); }
  Tensor random(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam()).requires_grad_(); }
  // Half a unit in the last place of numbers up to `size`, and as much for the order of additions.
  double rounding(double size) const { return size * (GetParam() == at::kHalf ? 1.0 / 1024 : 1.0 / 128); }
};
INSTANTIATE_TEST_SUITE_P(Types, Half, testing::Values(at::kHalf, at::kBFloat16));

void expect_near(const Tensor& a, const Tensor& b, double tolerance) {
  ASSERT_EQ(a.sizes(), b.sizes());
  const Tensor wide = b.to(at::kDouble);
  EXPECT_LE((a.to(at::kDouble) - wide).abs().max().item<double>(),
            tolerance * std::max(1.0, wide.abs().max().item<double>()));
}

TEST_P(Half, LinearIsLibTorchsForwardAndBackward) {
  const Tensor x = random({3, 5, 32}), weight = random({24, 32});
  const Tensor bias = at::randn({24}).requires_grad_(), upstream = at::randn({3, 5, 24}).to(GetParam());
  const Tensor y = linear(x, {weight, bias});
  EXPECT_EQ(y.scalar_type(), GetParam());
  const auto ours = torch::autograd::grad({y}, {x, weight, bias}, {upstream});

  const Tensor half_bias = bias.detach().to(GetParam()).requires_grad_();
  const Tensor reference = at::linear(x, weight, half_bias);
  const auto theirs = torch::autograd::grad({reference}, {x, weight, half_bias}, {upstream});
  expect_near(y, reference, rounding(2));
  for (std::size_t i = 0; i < 3; ++i) expect_near(ours[i], theirs[i], rounding(2));
  EXPECT_EQ(ours[0].scalar_type(), GetParam());
  EXPECT_EQ(ours[1].scalar_type(), GetParam());
  EXPECT_EQ(ours[2].scalar_type(), at::kFloat) << "a bias and its gradient stay fp32";
}

TEST_P(Half, LinearIsTheRoundedProductOfWhatIsStored) {
  const Tensor x = random({7, 16}), weight = random({9, 16}), bias = at::randn({9});
  const Tensor exact = at::linear(x.to(at::kFloat), weight.to(at::kFloat), bias).to(GetParam());
  EXPECT_TRUE(at::equal(linear(x, {weight, bias}), exact));
  // fp32 input is rounded to the weight's type first
  const Tensor wide = at::randn({7, 16});
  EXPECT_TRUE(at::equal(linear(wide, {weight, bias}), linear(wide.to(GetParam()), {weight, bias})));
}

TEST_P(Half, GradientsBeyondTheRangeOfTheTypeBecomeInfinite) {
  const Tensor x = at::full({1, 4}, 100.0).to(GetParam()).requires_grad_();
  const Tensor weight = at::full({2, 4}, 100.0).to(GetParam()).requires_grad_();
  const Tensor y = linear(x, {weight, at::zeros({2})});
  const auto gradients = torch::autograd::grad({y}, {weight}, {at::full({1, 2}, 60000.0).to(GetParam())});
  const bool overflows = GetParam() == at::kHalf;  // bf16 has the range of fp32
  EXPECT_EQ(at::isinf(gradients[0]).all().item<bool>(), overflows);
  EXPECT_EQ(at::isfinite(gradients[0]).all().item<bool>(), !overflows);
}

TEST_P(Half, ProductsOfAGpuAreThoseOfTheCpuRoundedElsewhere) {
  const Tensor x = random({3, 5, 32}), weight = random({24, 32});
  const Tensor bias = at::randn({24}).requires_grad_(), upstream = at::randn({3, 5, 24}).to(GetParam());
  const auto outcome = [&](bool as_on_gpu) {
    const Tensor y = linear(x, {weight, bias, as_on_gpu});
    auto all = torch::autograd::grad({y}, {x, weight, bias}, {upstream});
    all.push_back(y.detach());
    return all;
  };
  const auto gpu = outcome(true), cpu = outcome(false);
  for (std::size_t i = 0; i < cpu.size(); ++i) {
    EXPECT_EQ(gpu[i].scalar_type(), cpu[i].scalar_type()) << i;
    expect_near(gpu[i], cpu[i], rounding(2));
  }
}

TEST_P(Half, ABiasGradientBeyondTheRangeOfTheTypeIsAFiniteSum) {
  const Tensor x = at::ones({32, 82, 2}, GetParam()), weight = at::zeros({3, 2}, GetParam());
  for (const bool as_on_gpu : {false, true}) {
    const Tensor bias = at::zeros({3}).requires_grad_();
    linear(x, {weight, bias, as_on_gpu}).backward(at::full({32, 82, 3}, 64.0, GetParam()));
    EXPECT_TRUE(bias.grad().eq(64 * 2624).all().item<bool>()) << bias.grad();
  }
}

TEST_P(Half, WithoutBiasItIsAsWithOneOfZeros) {
  const Tensor x = random({3, 5, 8}), weight = random({6, 8});
  const Tensor y = linear(x, {weight, {}}), same = linear(x, {weight, at::zeros({6})});
  EXPECT_TRUE(at::equal(y, same));
  const auto ours = torch::autograd::grad({y.sum()}, {x, weight});
  const auto theirs = torch::autograd::grad({same.sum()}, {x, weight});
  for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_TRUE(at::equal(ours[i], theirs[i])) << i;
}

TEST_P(Half, NoImagesGiveNoRowsAndZeroGradients) {
  const Tensor x = random({0, 5, 8}), weight = random({6, 8}), bias = at::zeros({6}).requires_grad_();
  const Tensor y = linear(x, {weight, bias});
  EXPECT_EQ(y.sizes(), at::IntArrayRef({0, 5, 6}));
  for (const Tensor& g : torch::autograd::grad({y.sum()}, {x, weight, bias})) {
    EXPECT_TRUE(g.defined() && g.eq(0).all().item<bool>());
  }
}

// Flash attention refuses a batch of none.
TEST(AttentionTest, NoImagesNeedNoKernelAndGiveGradients) {
  const Tensor q = at::randn({0, 3, 1, 8}).requires_grad_();
  const Tensor k = at::randn({0, 3, 5, 8}).requires_grad_(), v = at::randn({0, 3, 5, 8}).requires_grad_();
  const Tensor mixed = attention(q, k, v);
  EXPECT_EQ(mixed.sizes(), q.sizes());
  EXPECT_EQ(mixed.grad_fn()->name().find("ScaledDotProduct"), std::string::npos);
  const auto gradients = torch::autograd::grad({mixed.sum()}, {q, k, v});
  EXPECT_EQ(gradients[0].sizes(), q.sizes());
  EXPECT_EQ(gradients[1].sizes(), k.sizes());
  EXPECT_EQ(gradients[2].sizes(), v.sizes());
}

TEST_P(Half, NormAndAttentionKeepTheirTypes) {
  const Tensor x = random({2, 5, 16});
  const Affine p{at::rand({16}), at::rand({16})};
  EXPECT_TRUE(at::equal(norm(x, p), norm(x.to(at::kFloat), p)));
  const Tensor q = random({2, 3, 5, 8}), k = random({2, 3, 5, 8}), v = random({2, 3, 5, 8});
  const Tensor mixed = attention(q, k, v);
  EXPECT_EQ(mixed.scalar_type(), GetParam());
  expect_near(mixed, at::scaled_dot_product_attention(q, k, v), rounding(4));
}

}  // namespace
}  // namespace vitrail::models
