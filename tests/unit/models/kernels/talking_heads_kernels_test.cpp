// talking_heads_test.cpp holds the instruction set of the processor at hand to the formula; this holds all
// that the processor can run to the narrowest.
#include "models/kernels/talking_heads/talking_heads_kernels.hpp"

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace vitrail::models {
namespace {

template <class Number>
const TalkingHeadsKernels<Number>& of(const TalkingHeadsTable& table);
template <>
const TalkingHeadsKernels<float>& of(const TalkingHeadsTable& table) {
  return table.single_precision;
}
template <>
const TalkingHeadsKernels<double>& of(const TalkingHeadsTable& table) {
  return table.double_precision;
}

template <class Number>
std::vector<Number> waves(std::size_t count, double frequency) {
  std::vector<Number> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = static_cast<Number>(std::sin(frequency * static_cast<double>(i + 1)));
  return values;
}

struct Sizes {
  std::int64_t heads, queries, keys;
};

// All that the three kernels compute, one after another.
template <class Number>
std::vector<double> computed(const TalkingHeadsKernels<Number>& kernels, const Sizes& s) {
  const auto heads = static_cast<std::size_t>(s.heads);
  const std::size_t map = heads * static_cast<std::size_t>(s.queries * s.keys);
  const auto logits_weight = waves<Number>(heads * heads, 1.7),
             weights_weight = waves<Number>(heads * heads, 2.3);
  const auto logits_bias = waves<Number>(heads, 0.9), weights_bias = waves<Number>(heads, 0.4);
  const HeadMixing<Number> mixing{s.heads, logits_weight.data(), logits_bias.data(), weights_weight.data(),
                                  weights_bias.data()};
  const auto logits = waves<Number>(map, 0.37);
  auto forward = logits, probabilities = logits, mixed = logits, gradient = waves<Number>(map, 0.61);
  std::vector<Number> stats(2 * heads * static_cast<std::size_t>(s.queries));
  std::vector<double> logits_sums(heads * heads), weights_sums(heads * heads), bias_sums(heads);
  const std::unique_ptr<std::byte, decltype(&std::free)> scratch(
      static_cast<std::byte*>(std::aligned_alloc(64, kernels.scratch_bytes)), std::free);

  kernels.forward(mixing, {s.queries, s.keys}, forward.data(), stats.data());
  kernels.recompute(mixing, {s.queries, s.keys}, logits.data(), stats.data(), probabilities.data(),
                    mixed.data());
  kernels.backward(mixing, {s.queries, s.keys}, logits.data(), probabilities.data(), gradient.data(),
                   {logits_sums.data(), weights_sums.data(), bias_sums.data()}, scratch.get());
  std::vector<double> all;
  for (const auto& part : {forward, probabilities, mixed, gradient, stats})
    all.insert(all.end(), part.begin(), part.end());
  for (const auto& part : {logits_sums, weights_sums, bias_sums})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

template <class Number>
void expect_same(double tolerance) {
  for (const Sizes& s : {Sizes{1, 1, 1}, Sizes{6, 3, 37}, Sizes{16, 2, 64}, Sizes{kMaxTalkingHeads, 1, 5}}) {
    const std::vector<double> narrowest = computed(of<Number>(baseline::kTalkingHeads), s);
    const auto expect = [&](const TalkingHeadsTable& table, const std::string& name) {
      const std::vector<double> wider = computed(of<Number>(table), s);
      ASSERT_EQ(wider.size(), narrowest.size());
      for (std::size_t i = 0; i < wider.size(); ++i)
        ASSERT_NEAR(wider[i], narrowest[i], tolerance) << name << " " << s.heads << " heads, number " << i;
    };
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) expect(avx2::kTalkingHeads, "AVX2");
    if (__builtin_cpu_supports("avx512f")) expect(avx512::kTalkingHeads, "AVX-512");
  }
}

TEST(TalkingHeadsKernelsTest, InstructionSetsDifferByRounding) {
  expect_same<float>(1e-4);
  expect_same<double>(1e-13);
}

// One head, mixed by 1: the softmax itself, against the library's exp over its whole range.
TEST(TalkingHeadsKernelsTest, ProbabilitiesAreThoseOfTheLibrarysExponential) {
  const double one = 1, zero = 0;
  const HeadMixing<double> mixing{1, &one, &zero, &one, &zero};
  std::vector<double> maps, stats(2);
  for (double x = 0; x > -700; x -= 0.3) maps.push_back(x);
  const std::vector<double> logits = maps;
  double sum = 0;
  for (const double x : logits) sum += std::exp(x);
  baseline::kTalkingHeads.double_precision.forward(mixing, {1, static_cast<std::int64_t>(maps.size())},
                                                   maps.data(), stats.data());
  for (std::size_t i = 0; i < maps.size(); ++i)
    ASSERT_NEAR(maps[i] * sum / std::exp(logits[i]), 1, 1e-14) << logits[i];
}

}  // namespace
}  // namespace vitrail::models
