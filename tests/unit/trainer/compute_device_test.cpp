#include "trainer/device/compute_device.hpp"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

namespace vitrail::trainer {
namespace {

// What only a GPU would show by other bits, other speed or an overflow: that it is asked for at all.
TEST(ComputeDeviceTest, GpusAreAskedForTheSameBits) {
  at::Context& context = at::globalContext();
  ask_for_same_bits();
  EXPECT_TRUE(context.deterministicAlgorithms());
  EXPECT_FALSE(context.deterministicAlgorithmsWarnOnly())
      << "attention adds in any order where this only warns";
  EXPECT_FALSE(context.deterministicFillUninitializedMemory());
  EXPECT_FALSE(context.userEnabledCuDNNSDP());
  EXPECT_TRUE(context.userEnabledFlashSDP());
  EXPECT_FALSE(context.benchmarkCuDNN());
  EXPECT_FALSE(context.allowTF32CuBLAS());
  EXPECT_EQ(context.allowFP16ReductionCuBLAS(),
            at::CuBLASReductionOption::DisallowReducedPrecisionAllowSplitK);
  EXPECT_EQ(context.allowBF16ReductionCuBLAS(),
            at::CuBLASReductionOption::DisallowReducedPrecisionAllowSplitK);
  context.setDeterministicAlgorithms(false, false);
}

}  // namespace
}  // namespace vitrail::trainer
