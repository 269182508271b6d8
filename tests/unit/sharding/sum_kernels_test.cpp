// Sums of halves against LibTorch's own half arithmetic: widen, add, round to nearest even.
#include "sharding/device/sum_kernels.hpp"

#include <numeric>

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "trainer/device/tensor_type.hpp"

namespace vitrail::sharding {
namespace {

at::Tensor every_pattern() { return at::arange(0, 1 << 16, at::kInt).to(at::kUInt16); }

std::byte* bytes_of(const at::Tensor& x) { return static_cast<std::byte*>(x.data_ptr()); }

bool same_bits(const at::Tensor& a, const at::Tensor& b) {  // any NaN is as good as another
  const at::Tensor nan = a.isnan().logical_and(b.isnan());
  const auto bits = a.element_size() == 2 ? at::kShort : at::kInt;
  return nan.logical_or(a.view(bits).eq(b.view(bits))).all().item<bool>();
}

TEST(SumKernels, EveryHalfIsWidenedExactly) {
  for (const DataType type : {DataType::f16, DataType::bf16}) {
    const at::Tensor halves = every_pattern().view(trainer::tensor_type(type));
    const at::Tensor wide = at::empty({1 << 16}, at::kFloat);
    widen(type, bytes_of(halves), 1 << 16, bytes_of(wide));
    EXPECT_TRUE(same_bits(wide, halves.to(at::kFloat))) << name_of(type);
  }
}

TEST(SumKernels, SumsOfHalvesAreRoundedAsLibTorchRoundsThem) {
  at::manual_seed(1);
  for (const DataType type : {DataType::f16, DataType::bf16}) {
    const at::Tensor left = every_pattern().view(trainer::tensor_type(type));
    for (int draw = 0; draw < 64; ++draw) {
      const at::Tensor right = left.index_select(0, at::randperm(1 << 16));
      const at::Tensor sum = at::empty_like(left);
      add(type, bytes_of(left), bytes_of(right), 1 << 16, bytes_of(sum));
      ASSERT_TRUE(same_bits(sum, left + right)) << name_of(type);
    }
  }
}

}  // namespace
}  // namespace vitrail::sharding
