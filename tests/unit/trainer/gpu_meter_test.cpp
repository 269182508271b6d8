// By a library that stands in for NVIDIA's (tests/support/stand_in_nvml.cpp), which ctest puts first.
#include "trainer/device/gpu_meter.hpp"

#include <gtest/gtest.h>

namespace vitrail::trainer {
namespace {

TEST(GpuMeter, TellsOfTheGpuAtItsPlaceOnTheBus) {
  if (Nvml().driver() != "580.65.06") GTEST_SKIP() << "not the library that stands in";
  const GpuReading reading = GpuMeter("0000:65:00.0").read();
  EXPECT_EQ(reading.busy, 0.97);
  EXPECT_EQ(reading.watts, 512.5);
}

TEST(GpuMeter, KnowsNothingOfOthers) {
  const GpuReading reading = GpuMeter("ffff:ff:1f.7").read();
  EXPECT_FALSE(reading.busy);
  EXPECT_FALSE(reading.watts);
}

}  // namespace
}  // namespace vitrail::trainer
