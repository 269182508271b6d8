#include "models/kernels/talking_heads/talking_heads.hpp"

#include <algorithm>
#include <atomic>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/kernels/talking_heads/talking_heads_passes.hpp"
#include "models/weights/weights.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The formula, whole maps and all.
at::Tensor composed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const TalkingHeads& mix) {
  const auto over_heads = [](const at::Tensor& maps, const at::Tensor& weight, const at::Tensor& bias) {
    return at::einsum("gh,bhqk->bgqk", {weight, maps}) + bias.view({-1, 1, 1});
  };
  const at::Tensor logits = at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  const at::Tensor weights = over_heads(logits, mix.logits_weight, mix.logits_bias).softmax(-1);
  return at::matmul(over_heads(weights, mix.weights_weight, mix.weights_bias), v);
}

constexpr std::array kNames{"q", "k", "v", "logits_weight", "logits_bias", "weights_weight", "weights_bias"};

struct Inputs {
  std::array<at::Tensor, kNames.size()> leaf;  // in the order of kNames
  at::Tensor probe;

  TalkingHeads mix() const { return {leaf[3], leaf[4], leaf[5], leaf[6]}; }
  at::Tensor attention() const { return talking_heads_attention(leaf[0], leaf[1], leaf[2], mix()); }
};

struct Sizes {
  std::int64_t images, heads, tokens, width;
};

Inputs random_inputs(const Sizes& s, at::ScalarType type) {
  at::Generator generator = at::detail::createCPUGenerator(7);
  const auto random = [&](const std::vector<std::int64_t>& shape, double scale) {
    return (at::randn(shape, generator, at::kDouble) * scale).to(type);
  };
  const double spread = 1 / std::sqrt(static_cast<double>(s.heads));
  Inputs inputs{{random({s.images, s.heads, s.tokens, s.width}, 1.5),
                 random({s.images, s.heads, s.tokens, s.width}, 1.5),
                 random({s.images, s.heads, s.tokens, s.width}, 1), random({s.heads, s.heads}, spread),
                 random({s.heads}, 1), random({s.heads, s.heads}, spread), random({s.heads}, 1)},
                random({s.images, s.heads, s.tokens, s.width}, 1)};
  for (at::Tensor& x : inputs.leaf) x.requires_grad_();
  return inputs;
}

struct AttentionOutcome {
  at::Tensor value;
  std::array<at::Tensor, kNames.size()> gradient;
};

AttentionOutcome outcome(const Inputs& inputs, const at::Tensor& value) {
  const std::vector<at::Tensor> gradients = torch::autograd::grad(
      {value}, {inputs.leaf.begin(), inputs.leaf.end()}, {inputs.probe.to(value.scalar_type())});
  AttentionOutcome result{value.detach(), {}};
  std::copy(gradients.begin(), gradients.end(), result.gradient.begin());
  return result;
}

// The largest difference in parts of the reference's largest element, or of 1 where that is smaller: the
// gradient of logits_bias is zero but for rounding.
double difference(const at::Tensor& ours, const at::Tensor& reference) {
  const double size = std::max(1.0, reference.abs().max().item<double>());
  return (ours.to(at::kDouble) - reference).abs().max().item<double>() / size;
}

class TalkingHeadsTest : public ::testing::TestWithParam<Sizes> {
 protected:
  void expect_composed(at::ScalarType type, double tolerance) {
    const Inputs inputs = random_inputs(GetParam(), type);
    Inputs reference = inputs;
    for (at::Tensor& x : reference.leaf) x = x.detach().to(at::kDouble).requires_grad_();
    const AttentionOutcome ours = outcome(inputs, inputs.attention());
    const AttentionOutcome theirs = outcome(
        reference, composed(reference.leaf[0], reference.leaf[1], reference.leaf[2], reference.mix()));
    EXPECT_EQ(ours.value.scalar_type(), type);
    EXPECT_LE(difference(ours.value, theirs.value), tolerance);
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      EXPECT_EQ(ours.gradient[i].sizes(), inputs.leaf[i].sizes()) << kNames[i];
      const double cancelled = inputs.leaf[i].dim() < 4 ? 3 : 1;  // a sum over all queries and keys
      EXPECT_LE(difference(ours.gradient[i], theirs.gradient[i]), cancelled * tolerance) << kNames[i];
    }
  }
};

TEST_P(TalkingHeadsTest, IsTheFormulaInDoublePrecision) { expect_composed(at::kDouble, 1e-12); }
TEST_P(TalkingHeadsTest, IsTheFormulaInSinglePrecision) { expect_composed(at::kFloat, 1e-5); }

TEST_P(TalkingHeadsTest, HasTheSameBitsForAnyNumberOfThreads) {
  const Inputs inputs = random_inputs(GetParam(), at::kFloat);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const AttentionOutcome one = outcome(inputs, inputs.attention());
  for (const int threads : {2, 3}) {
    at::set_num_threads(threads);
    const AttentionOutcome several = outcome(inputs, inputs.attention());
    EXPECT_TRUE(at::equal(several.value, one.value)) << threads;
    for (std::size_t i = 0; i < kNames.size(); ++i)
      EXPECT_TRUE(at::equal(several.gradient[i], one.gradient[i])) << threads << " " << kNames[i];
  }
  at::set_num_threads(before);
}

// One token, one head, tokens that fill no vector and no block, heads in no group of four, several blocks.
INSTANTIATE_TEST_SUITE_P(Shapes, TalkingHeadsTest,
                         ::testing::Values(Sizes{1, 1, 1, 1}, Sizes{2, 4, 1, 48}, Sizes{3, 1, 37, 5},
                                           Sizes{1, 6, 196, 48}, Sizes{2, 16, 50, 8}, Sizes{1, 16, 211, 48},
                                           Sizes{1, 8, 576, 48}, Sizes{1, 3, 1031, 4}));

// Stochastic depth may keep no image of a batch; the parameters must have gradients all the same.
// Stand for a GPU's passes, on CPU tensors.
int forwards = 0, backwards = 0;

TalkingHeadsForward counted_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const TalkingHeads& mix) {
  ++forwards;
  return talking_heads_forward_cpu(q, k, v, mix);
}

TalkingHeadsGradients counted_backward(const at::Tensor& out_gradient, const at::Tensor& q,
                                       const at::Tensor& k, const at::Tensor& v, const TalkingHeads& mix,
                                       const at::Tensor& row_stats) {
  ++backwards;
  return talking_heads_backward_cpu(out_gradient, q, k, v, mix, row_stats);
}

TEST(TalkingHeadsPassesTest, BothPassesAreOfTheDevice) {
  EXPECT_EQ(passes_on(at::kCUDA).forward, &talking_heads_forward_cuda);
  EXPECT_EQ(passes_on(at::kCUDA).backward, &talking_heads_backward_cuda);
  EXPECT_TRUE(passes_on(at::kCUDA).take_halves);
  EXPECT_EQ(passes_on(at::kCPU).forward, &talking_heads_forward_cpu);
  EXPECT_EQ(passes_on(at::kCPU).backward, &talking_heads_backward_cpu);
}

TEST(TalkingHeadsPassesTest, AutogradRunsThePassesItIsGiven) {
  const Inputs inputs = random_inputs({2, 3, 5, 4}, at::kFloat);
  const std::vector<at::Tensor> leaves(inputs.leaf.begin(), inputs.leaf.end());
  const auto gradients = [&](const at::Tensor& out) {
    return torch::autograd::grad({out}, leaves, {inputs.probe});
  };
  const at::Tensor out = talking_heads_attention(leaves[0], leaves[1], leaves[2], inputs.mix(),
                                                 {counted_forward, counted_backward});
  EXPECT_EQ(forwards, 1);
  const auto ours = gradients(out);
  EXPECT_EQ(backwards, 1);
  const auto expected = gradients(inputs.attention());
  for (std::size_t i = 0; i < leaves.size(); ++i) EXPECT_TRUE(at::equal(ours[i], expected[i])) << kNames[i];
  EXPECT_EQ(forwards + backwards, 2);
}

TEST(TalkingHeadsBatchTest, NoImagesHaveGradientsOfZero) {
  const Inputs inputs = random_inputs({0, 4, 9, 8}, at::kFloat);
  const AttentionOutcome none = outcome(inputs, inputs.attention());
  EXPECT_EQ(none.value.sizes(), at::IntArrayRef({0, 4, 9, 8}));
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    ASSERT_EQ(none.gradient[i].sizes(), inputs.leaf[i].sizes()) << kNames[i];
    EXPECT_EQ(none.gradient[i].abs().sum().item<float>(), 0) << kNames[i];
  }
}

TEST(TalkingHeadsLogitsTest, LargeOnesNeitherOverflowNorHideANan) {
  Inputs inputs = random_inputs({1, 4, 33, 8}, at::kFloat);
  {
    const at::NoGradGuard constant;
    inputs.leaf[0] *= 100;
    const at::Tensor reference = composed(inputs.leaf[0].to(at::kDouble), inputs.leaf[1].to(at::kDouble),
                                          inputs.leaf[2].to(at::kDouble),
                                          {inputs.leaf[3].to(at::kDouble), inputs.leaf[4].to(at::kDouble),
                                           inputs.leaf[5].to(at::kDouble), inputs.leaf[6].to(at::kDouble)});
    EXPECT_LE(difference(inputs.attention(), reference), 1e-3);  // logits of 1000 carry errors of 1e-4
    inputs.leaf[0][0][1][32][3] = std::nan("");
    EXPECT_TRUE(inputs.attention().select(2, 32).isnan().all().item<bool>());
    EXPECT_FALSE(inputs.attention().narrow(2, 0, 32).isnan().any().item<bool>());
  }
}

// timm's module, its projections taken away; q, k, v are views of one tensor.
TEST(TalkingHeadsTimmTest, ValuesAndGradientsAreTimms) {
  const SafetensorsReader file(VITRAIL_FIXTURES "/models/talking_heads.safetensors");
  for (const std::int64_t heads : {4, 16}) {
    const auto stored = [&](const std::string& name) {
      const std::string key = fmt::format("{}.{}", heads, name);
      return at::tensor(file.read_as_double(key), at::kDouble).view(file.info(key).shape);
    };
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const double tolerance = type == at::kDouble ? 1e-12 : 1e-5;
      std::vector<at::Tensor> leaves;
      const std::array names{"qkv", "logits_weight", "logits_bias", "weights_weight", "weights_bias"};
      for (const char* name : names) leaves.push_back(stored(name).to(type).requires_grad_());
      const at::Tensor& qkv = leaves[0];
      const std::vector<at::Tensor> parts =
          qkv.view({qkv.size(0), qkv.size(1), 3, heads, qkv.size(2) / 3 / heads})
              .permute({2, 0, 3, 1, 4})
              .unbind();
      const at::Tensor out =
          talking_heads_attention(parts[0], parts[1], parts[2], {leaves[1], leaves[2], leaves[3], leaves[4]})
              .transpose(1, 2)
              .flatten(2);
      EXPECT_LE(difference(out, stored("out")), tolerance);
      (out * stored("probe").to(type)).sum().backward();
      for (std::size_t i = 0; i < names.size(); ++i) {
        const at::Tensor reference = stored(std::string("gradient.") + names[i]);
        EXPECT_LE(difference(leaves[i].grad(), reference), tolerance) << heads << " " << names[i];
      }
    }
  }
}

TEST(TalkingHeadsStridesTest, AnyStridesGiveTheValuesOfContiguousInputs) {
  const Inputs inputs = random_inputs({2, 4, 21, 6}, at::kDouble);
  Inputs strided = inputs;
  for (at::Tensor& x : strided.leaf) {
    if (x.dim() == 4) x = x.detach().transpose(2, 3).contiguous().transpose(2, 3).requires_grad_();
  }
  strided.leaf[3] = inputs.leaf[3].detach().t().contiguous().t().requires_grad_();
  strided.probe = at::ones({}, at::kDouble).expand({2, 4, 21, 6});
  Inputs plain = inputs;
  plain.probe = strided.probe.contiguous();
  const AttentionOutcome ours = outcome(strided, strided.attention());
  const AttentionOutcome reference = outcome(plain, plain.attention());
  EXPECT_LE(difference(ours.value, reference.value), 1e-13);
  for (std::size_t i = 0; i < kNames.size(); ++i)
    EXPECT_LE(difference(ours.gradient[i], reference.gradient[i]), 1e-13) << kNames[i];
}

// Counts what LibTorch allocates, on any thread.
class CountingAllocator final : public c10::Allocator {
 public:
  explicit CountingAllocator(c10::Allocator* real) : real_(real) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    const auto size = static_cast<std::int64_t>(bytes);
    raise(largest, size);
    raise(peak, live += size);
    auto owned = std::make_unique<Owned>(real_->allocate(bytes), size, &live);
    void* const data = owned->data.get();
    return {data, owned.release(), [](void* context) { delete static_cast<Owned*>(context); }, at::kCPU};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  std::atomic<std::int64_t> live{0}, peak{0}, largest{0};

 private:
  struct Owned {
    Owned(c10::DataPtr pointer, std::int64_t bytes, std::atomic<std::int64_t>* counter)
        : data(std::move(pointer)), size(bytes), live_bytes(counter) {}
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() { *live_bytes -= size; }
    c10::DataPtr data;
    std::int64_t size;
    std::atomic<std::int64_t>* live_bytes;
  };

  static void raise(std::atomic<std::int64_t>& highest, std::int64_t value) {
    for (std::int64_t seen = highest; seen < value && !highest.compare_exchange_weak(seen, value);) {
    }
  }

  c10::Allocator* real_;
};

class TalkingHeadsMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(2);
    c10::SetCPUAllocator(&counting_, 1);
  }
  void TearDown() override {
    c10::SetCPUAllocator(real_, 1);
    at::set_num_threads(threads_);
  }

  int threads_ = at::get_num_threads();
  c10::Allocator* real_ = c10::GetDefaultCPUAllocator();
  CountingAllocator counting_{real_};
};

TEST_F(TalkingHeadsMemoryTest, NoMapIsKeptOrMadeWhole) {
  const Sizes s{2, 16, 784, 8};
  const std::int64_t maps = s.images * s.heads * s.tokens * s.tokens * 4;
  const Inputs inputs = random_inputs(s, at::kFloat);
  const std::int64_t before = counting_.live, out = inputs.probe.numel() * 4;
  counting_.peak = counting_.largest = 0;
  const at::Tensor value = inputs.attention();
  EXPECT_EQ(counting_.live - before, out + s.images * s.tokens * 2 * s.heads * 4);
  outcome(inputs, value);
  EXPECT_LE(counting_.largest, maps / 20);
  EXPECT_LE(counting_.peak - before, maps / 4);
}

TEST_F(TalkingHeadsMemoryTest, WithoutGradientsTheOutputIsAllThatStays) {
  const Inputs inputs = random_inputs({2, 4, 64, 8}, at::kFloat);
  const std::int64_t before = counting_.live;
  const at::NoGradGuard constant;
  const at::Tensor value = inputs.attention();
  EXPECT_EQ(counting_.live - before, value.numel() * 4);
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TalkingHeadsTest, HalvesAreWidenedAndTheResultIsRounded) {
  for (const auto type : {at::kHalf, at::kBFloat16}) {
    const Inputs half = random_inputs({2, 3, 5, 4}, type);
    Inputs wide = half;
    for (at::Tensor& x : wide.leaf) x = x.detach().to(at::kFloat);
    const at::Tensor value = half.attention();
    EXPECT_EQ(value.scalar_type(), type);
    EXPECT_TRUE(at::equal(value, wide.attention().to(type)));
    for (const at::Tensor& g :
         torch::autograd::grad({value.sum()}, {half.leaf[0], half.leaf[3], half.leaf[6]})) {
      EXPECT_EQ(g.scalar_type(), type);
    }
  }
}

TEST(TalkingHeadsErrorTest, ASecondDerivativeIsRefused) {
  const Inputs inputs = random_inputs({1, 2, 3, 4}, at::kDouble);
  EXPECT_THAT(message_of([&] {
                torch::autograd::grad({inputs.attention().sum()}, {inputs.leaf[0]}, {}, std::nullopt, true);
              }),
              HasSubstr("second derivative"));
}

TEST(TalkingHeadsErrorTest, WhatDoesNotFitIsNamed) {
  const Inputs good = random_inputs({1, 2, 3, 4}, at::kFloat);
  Inputs bad = good;
  bad.leaf[1] = good.leaf[1].narrow(2, 0, 2);
  EXPECT_THAT(message_of([&] { bad.attention(); }),
              AllOf(HasSubstr("k is [1, 2, 2, 4]"), HasSubstr("[1, 2, 3, 4]")));
  bad = good;
  bad.leaf[5] = at::ones({3, 3});
  EXPECT_THAT(message_of([&] { bad.attention(); }), HasSubstr("weights_weight is [3, 3]"));
  bad = good;
  bad.leaf[1] = bad.leaf[1].to(at::kMeta);
  EXPECT_THAT(message_of([&] { bad.attention(); }), HasSubstr("meta"));
  EXPECT_THAT(message_of([] {
                random_inputs({1, 33, 2, 1}, at::kFloat).attention();
              }),
              HasSubstr("32 heads"));
}

}  // namespace
}  // namespace vitrail::models
