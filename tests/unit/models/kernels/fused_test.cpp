// Talking heads on tensor cores, where the GPU is the host (tests/support/gpu_on_host): small shapes that end
// inside of a tile, against the CPU in fp64, in every order of threads.
#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "models/kernels/talking_heads/talking_heads_passes.hpp"
#include "tests/support/gpu_on_host/gpu_on_host.hpp"

namespace vitrail::models {
namespace {

struct FusedCase {
  std::int64_t images, heads, tokens, width;
  at::ScalarType type;
};

std::ostream& operator<<(std::ostream& out, const FusedCase& c) {
  return out << c.images << "x" << c.heads << "x" << c.tokens << "x" << c.width << " " << c.type;
}

class FusedTest : public testing::TestWithParam<FusedCase> {
 protected:
  // Through the type: both sides start from the same numbers.
  at::Tensor random(at::IntArrayRef shape, double scale) {
    return (at::randn(shape, generator_, at::kDouble) * scale).to(GetParam().type);
  }
  // Relative to the largest: halves are rounded on the way to it.
  void expect_near(const at::Tensor& ours, const at::Tensor& exact, const char* what) const {
    const bool is_of_mixing = ours.dim() < 4;
    EXPECT_EQ(ours.scalar_type(), is_of_mixing ? at::kFloat : GetParam().type) << what;
    const double unit = GetParam().type == at::kHalf ? 0x1p-11 : 0x1p-8;
    const double largest = std::max(exact.abs().max().item<double>(), 1e-2);
    EXPECT_LE((ours.to(at::kDouble) - exact).abs().max().item<double>(), 12 * unit * largest) << what;
  }

  at::Generator generator_ = at::detail::createCPUGenerator(11);
};

TEST_P(FusedTest, ValuesAndGradientsAreTheCpus) {
  const auto& [images, heads, tokens, width, type] = GetParam();
  // As a matrix product leaves them.
  const at::Tensor qkv = random({images, tokens, 3, heads, width}, 1);
  const auto parts = qkv.permute({2, 0, 3, 1, 4}).unbind(0);
  const double spread = 1 / std::sqrt(static_cast<double>(heads));
  const auto mixing = [&](at::IntArrayRef shape, double scale) {
    return random(shape, scale).to(at::kFloat);
  };
  const TalkingHeads mix{mixing({heads, heads}, spread), mixing({heads}, 1), mixing({heads, heads}, spread),
                         mixing({heads}, 1)};
  const at::Tensor gradient = random({images, tokens, heads, width}, 1).transpose(1, 2);
  const auto wide = [](const at::Tensor& x) { return x.to(at::kDouble); };
  const TalkingHeads exact_mix{wide(mix.logits_weight), wide(mix.logits_bias), wide(mix.weights_weight),
                               wide(mix.weights_bias)};
  const TalkingHeadsPasses cpu = passes_on(at::kCPU), gpu = passes_on(at::kCUDA);

  tests::gpu_on_host::take_counts();
  const TalkingHeadsForward ours = gpu.forward(parts[0], parts[1], parts[2], mix);
  EXPECT_EQ(tests::gpu_on_host::take_counts().launches, 1);
  const TalkingHeadsForward exact = cpu.forward(wide(parts[0]), wide(parts[1]), wide(parts[2]), exact_mix);
  expect_near(ours.out, exact.out, "out");
  EXPECT_TRUE(ours.out.transpose(1, 2).is_contiguous());  // as the next product takes it

  const TalkingHeadsGradients g = gpu.backward(gradient, parts[0], parts[1], parts[2], mix, ours.row_stats);
  EXPECT_EQ(tests::gpu_on_host::take_counts().launches, 3);
  const TalkingHeadsGradients e = cpu.backward(wide(gradient), wide(parts[0]), wide(parts[1]), wide(parts[2]),
                                               exact_mix, exact.row_stats);
  expect_near(g.q, e.q, "q");
  expect_near(g.k, e.k, "k");
  expect_near(g.v, e.v, "v");
  expect_near(g.mix.logits_weight, e.mix.logits_weight, "logits_weight");
  expect_near(g.mix.weights_weight, e.mix.weights_weight, "weights_weight");
  expect_near(g.mix.weights_bias, e.mix.weights_bias, "weights_bias");
  EXPECT_EQ(g.mix.logits_bias.abs().max().item<double>(), 0);
  EXPECT_TRUE(at::equal(gpu.backward(gradient, parts[0], parts[1], parts[2], mix, ours.row_stats).k, g.k));
}

// Less than a tile, a tile, several and a part; heads that fill the matrix and that do not.
INSTANTIATE_TEST_SUITE_P(Cases, FusedTest,
                         testing::Values(FusedCase{1, 1, 1, 16, at::kHalf},
                                         FusedCase{2, 16, 16, 48, at::kHalf},
                                         FusedCase{1, 16, 37, 48, at::kHalf},
                                         FusedCase{2, 3, 17, 32, at::kHalf},
                                         FusedCase{1, 8, 35, 48, at::kBFloat16}));

}  // namespace
}  // namespace vitrail::models
