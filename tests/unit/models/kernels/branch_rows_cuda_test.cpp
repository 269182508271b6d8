// Residual branches by a GPU's kernels against LibTorch's operators in fp64. Skipped where there is no GPU;
// where the GPU is the host (tests/support/gpu_on_host), tensors lie there.
#include <cmath>
#include <optional>
#include <vector>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>

#include "models/kernels/branch_rows.hpp"

namespace vitrail::models {
namespace {

constexpr std::int64_t kRowImages = 5;
constexpr double kRowScale = 1 / (1 - 0.4);

using Rows = std::optional<std::vector<std::int64_t>>;

struct RowsCase {
  Rows rows;
  std::int64_t tokens, width;
  at::ScalarType type;  // of what the branch computes with
  bool has_gamma;
  double tolerance;
};

std::ostream& operator<<(std::ostream& out, const RowsCase& c) {
  return out << (c.rows ? static_cast<std::int64_t>(c.rows->size()) : -1) << " images of " << c.tokens << "x"
             << c.width << " " << c.type << (c.has_gamma ? " with gamma" : "");
}

struct RowsInputs {
  at::Tensor x, gain, bias, gamma, weight, probe;
};

RowsInputs random_rows(const RowsCase& c) {
  at::Generator generator = at::detail::createCPUGenerator(7);
  const auto random = [&](const std::vector<std::int64_t>& shape) {
    return at::randn(shape, generator, at::kDouble).to(at::kFloat);
  };
  return {random({kRowImages, c.tokens, c.width}) * 3 + 1,
          random({c.width}),
          random({c.width}),
          c.has_gamma ? random({c.width}) : at::Tensor(),
          random({c.width}).to(c.type).to(at::kFloat),
          random({kRowImages, c.tokens, c.width})};
}

at::Tensor indices(const Rows& rows, at::Device device) {
  return rows ? at::tensor(*rows, at::kLong).to(device) : at::Tensor();
}

// Two branches one after another, of which the first passes its sum on to the second, as a block does.
at::Tensor by_ours(const RowsCase& c, const RowsInputs& in, const at::Tensor& rows) {
  const Affine norm{in.gain, in.bias, /*as_on_gpu=*/true};
  at::Tensor sum = in.x;
  for (int branch = 0; branch < 2; ++branch) {
    const BranchInput entered = norm_of_rows(sum, rows, norm, c.type);
    EXPECT_EQ(entered.rows.scalar_type(), c.type);
    sum = add_to_rows(entered.passing, entered.rows * in.weight.to(c.type), in.gamma, rows, kRowScale, true);
  }
  return sum;
}

at::Tensor by_operators(const RowsCase& c, const RowsInputs& in, const at::Tensor& rows) {
  at::Tensor sum = in.x;
  for (int branch = 0; branch < 2; ++branch) {
    const at::Tensor kept = rows.defined() ? sum.index_select(0, rows) : sum;
    at::Tensor y = at::layer_norm(kept, {c.width}, in.gain, in.bias, 1e-6) * in.weight;
    if (c.has_gamma) y = y * in.gamma;
    sum = rows.defined() ? sum.index_add(0, rows, y, kRowScale) : sum + kRowScale * y;
  }
  return sum;
}

template <class Compute>
std::vector<at::Tensor> outcome_of_rows(const RowsCase& c, const RowsInputs& in, at::Device device,
                                        at::ScalarType type, Compute compute) {
  const auto leaf = [&](const at::Tensor& x) {
    return x.defined() ? x.to(device, type).detach().requires_grad_() : x;
  };
  const RowsInputs own{leaf(in.x),     leaf(in.gain),   leaf(in.bias),
                       leaf(in.gamma), leaf(in.weight), in.probe.to(device, type)};
  std::vector<at::Tensor> leaves{own.x, own.gain, own.bias, own.weight};
  if (c.has_gamma) leaves.push_back(own.gamma);
  const at::Tensor value = compute(c, own, indices(c.rows, device));
  std::vector<at::Tensor> all = torch::autograd::grad({value}, leaves, {own.probe});
  all.insert(all.begin(), value.detach());
  return all;
}

class BranchRowsGpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) GTEST_SKIP() << "no GPU: nothing was computed";
  }
  static at::Device device() { return torch::cuda::is_available() ? at::kCUDA : at::kCPU; }
};

class BranchRowsCudaTest : public BranchRowsGpuTest, public ::testing::WithParamInterface<RowsCase> {};

TEST_P(BranchRowsCudaTest, ValuesAndGradientsAreThoseOfOperators) {
  const RowsCase& c = GetParam();
  const RowsInputs inputs = random_rows(c);
  const std::vector<at::Tensor> reference = outcome_of_rows(c, inputs, at::kCPU, at::kDouble, by_operators);
  const std::vector<at::Tensor> ours = outcome_of_rows(c, inputs, device(), at::kFloat, by_ours);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double error = (ours[i].to(at::kCPU, at::kDouble) - reference[i]).norm().item<double>();
    EXPECT_LE(error, c.tolerance * std::max(reference[i].norm().item<double>(), 1e-3)) << i;
  }
}

const Rows kAll, kNone = Rows(std::in_place), kSome = std::vector<std::int64_t>{0, 2, 4},
                 kOne = std::vector<std::int64_t>{3};

INSTANTIATE_TEST_SUITE_P(
    Shapes, BranchRowsCudaTest,
    ::testing::Values(
        RowsCase{kSome, 7, 64, at::kFloat, true, 1e-6}, RowsCase{kSome, 7, 64, at::kFloat, false, 1e-6},
        RowsCase{kAll, 7, 64, at::kFloat, true, 1e-6}, RowsCase{kNone, 7, 64, at::kFloat, true, 1e-6},
        RowsCase{kOne, 1, 4, at::kFloat, true, 1e-6}, RowsCase{kSome, 33, 516, at::kFloat, true, 1e-6},
        RowsCase{kSome, 17, 1280, at::kFloat, true, 1e-6}, RowsCase{kOne, 3, 2048, at::kFloat, false, 1e-6},
        RowsCase{kSome, 7, 64, at::kHalf, true, 2e-3}, RowsCase{kAll, 7, 768, at::kHalf, false, 2e-3},
        RowsCase{kSome, 7, 768, at::kBFloat16, true, 2e-2}, RowsCase{kNone, 7, 64, at::kHalf, true, 2e-3}));

// What lies in somebody else's hands is not added to.
TEST_F(BranchRowsGpuTest, AGradientThatOthersHoldIsLeftAsItIs) {
  const at::Tensor x = at::randn({4, 3, 8}, at::device(device())).requires_grad_();
  const at::Tensor gain = at::ones({8}, at::device(device())).requires_grad_();
  const BranchInput in = norm_of_rows(x, at::Tensor(), {gain, at::zeros_like(gain), true}, at::kFloat);
  const at::Tensor probe = at::randn_like(x), kept = probe.clone();
  const at::Tensor other = at::ones_like(x).requires_grad_();
  const at::Tensor sum = in.passing + other;  // gives both the same gradient
  torch::autograd::backward({(in.rows * in.rows).sum(), sum}, {at::Tensor(), probe});
  EXPECT_TRUE(at::equal(probe, kept));
  EXPECT_TRUE(at::equal(other.grad(), kept));
  EXPECT_FALSE(at::equal(x.grad(), kept));
}

}  // namespace
}  // namespace vitrail::models
