// The GPU against the CPU in fp64. Skipped where there is no GPU; where the GPU is the host
// (tests/support/gpu_on_host), tensors lie there.
#include <array>
#include <cmath>
#include <map>
#include <string>

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/cuda.h>

#include "models/kernels/talking_heads/talking_heads_passes.hpp"

namespace vitrail::models {
namespace {

struct Case {
  std::int64_t images, heads, tokens, width;
  at::ScalarType type;
  double tolerance;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.images << "x" << c.heads << "x" << c.tokens << "x" << c.width << " " << c.type;
}

using Tensors = std::array<at::Tensor, 7>;  // q, k, v, then the mixing

Tensors random_inputs(const Case& c) {
  at::Generator generator = at::detail::createCPUGenerator(7);
  const auto random = [&](const std::vector<std::int64_t>& shape, double scale) {
    // Through the type of the case: both sides start from the same numbers.
    return (at::randn(shape, generator, at::kDouble) * scale).to(c.type);
  };
  const double spread = 1 / std::sqrt(static_cast<double>(c.heads));
  const std::vector<std::int64_t> shape{c.images, c.tokens, c.heads, c.width};
  return {random(shape, 1).transpose(1, 2),
          random(shape, 1).transpose(1, 2),
          random(shape, 1).transpose(1, 2),
          random({c.heads, c.heads}, spread),
          random({c.heads}, 1),
          random({c.heads, c.heads}, spread),
          random({c.heads}, 1)};
}

// The value, then the gradients.
std::vector<at::Tensor> outcome(const Tensors& inputs, at::Device device, at::ScalarType type,
                                const TalkingHeadsPasses& passes) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& x : inputs) leaves.push_back(x.to(device, type).requires_grad_());
  const at::Tensor value = talking_heads_attention(leaves[0], leaves[1], leaves[2],
                                                   {leaves[3], leaves[4], leaves[5], leaves[6]}, passes);
  std::vector<at::Tensor> all = torch::autograd::grad({value}, leaves, {at::cos(inputs[2]).to(device, type)});
  all.insert(all.begin(), value.detach());
  return all;
}

class TalkingHeadsCudaTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    int gpus = 0;
    if (cudaGetDeviceCount(&gpus) != cudaSuccess || gpus == 0) GTEST_SKIP() << "no GPU: nothing was computed";
  }
  std::vector<at::Tensor> on_gpu(const Tensors& inputs) const {
    const at::Device device = torch::cuda::is_available() ? at::kCUDA : at::kCPU;
    return outcome(inputs, device, GetParam().type, passes_on(at::kCUDA));
  }
};

TEST_P(TalkingHeadsCudaTest, ValuesAndGradientsAreTheCpus) {
  const Tensors inputs = random_inputs(GetParam());
  const std::vector<at::Tensor> reference = outcome(inputs, at::kCPU, at::kDouble, passes_on(at::kCPU));
  const std::vector<at::Tensor> ours = on_gpu(inputs);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].scalar_type(), GetParam().type);
    const double error = (ours[i].to(at::kCPU, at::kDouble) - reference[i]).norm().item<double>();
    const double size = reference[i].norm().item<double>();
    EXPECT_LE(error, GetParam().tolerance * std::max(size, 1.0)) << "tensor " << i;
  }
}

// Also in the next iteration of GoogleTest's, which may come in another order of threads.
TEST_P(TalkingHeadsCudaTest, HasTheSameBitsAgain) {
  static std::map<std::string, std::vector<at::Tensor>> known;
  const Tensors inputs = random_inputs(GetParam());
  const auto [first, is_new] = known.try_emplace(testing::PrintToString(GetParam()));
  if (is_new) first->second = on_gpu(inputs);
  const std::vector<at::Tensor> again = on_gpu(inputs);
  for (std::size_t i = 0; i < again.size(); ++i)
    EXPECT_TRUE(at::equal(first->second[i], again[i])) << "tensor " << i;
}

// Fewer keys than threads, several images in a block.
INSTANTIATE_TEST_SUITE_P(Cases, TalkingHeadsCudaTest,
                         ::testing::Values(Case{1, 1, 1, 8, at::kFloat, 1e-5},
                                           Case{3, 4, 50, 48, at::kFloat, 1e-5},
                                           Case{1, 6, 196, 48, at::kFloat, 1e-5},
                                           Case{1, 16, 70, 48, at::kHalf, 1e-2},
                                           Case{1, 8, 130, 40, at::kBFloat16, 5e-2}));
// Several blocks of images, several blocks of queries; heads of 8 and 40 numbers have maps in halves, too.
INSTANTIATE_TEST_SUITE_P(Large, TalkingHeadsCudaTest,
                         ::testing::Values(Case{4, 16, 784, 48, at::kFloat, 1e-4},
                                           Case{1, 16, 1500, 8, at::kFloat, 1e-4},
                                           Case{1, 16, 196, 48, at::kHalf, 1e-2},
                                           Case{2, 8, 576, 40, at::kBFloat16, 5e-2}));

}  // namespace
}  // namespace vitrail::models
