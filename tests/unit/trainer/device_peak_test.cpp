#include "trainer/device/device_peak.hpp"

#include <gtest/gtest.h>

namespace vitrail::trainer {
namespace {

TEST(DevicePeak, IsKnownByTheNameThatCudaGives) {
  ASSERT_TRUE(peak_of("NVIDIA H100 80GB HBM3").has_value());
  EXPECT_EQ(peak_of("NVIDIA H100 80GB HBM3")->tflops(Precision::bf16), 989.4);
  EXPECT_EQ(peak_of("NVIDIA H200")->tflops(Precision::fp16), 989.4);
  EXPECT_EQ(peak_of("NVIDIA A100-SXM4-80GB")->tflops(Precision::fp32), 19.5);
  EXPECT_EQ(peak_of("Tesla V100-SXM2-32GB")->tflops(Precision::fp64), 7.8);
}

TEST(DevicePeak, OfOtherFormsNothingIsSaid) {
  EXPECT_FALSE(peak_of("NVIDIA H100 PCIe").has_value());
  EXPECT_FALSE(peak_of("NVIDIA H100").has_value());
  EXPECT_FALSE(peak_of("").has_value());
  EXPECT_FALSE(peak_of("Tesla V100-SXM2-32GB")->tflops(Precision::bf16).has_value());
}

}  // namespace
}  // namespace vitrail::trainer
