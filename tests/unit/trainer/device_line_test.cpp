#include "trainer/device/device_line.hpp"

#include <gmock/gmock.h>

#include "trainer/device/gpu_promise.hpp"

namespace vitrail::trainer {
namespace {

using testing::HasSubstr;

TEST(DeviceLine, Processors) {
  EXPECT_EQ(device_line({{"a", "CPU (AVX2)", ""}}, ""), "device: CPU (AVX2), 1 rank");
  EXPECT_EQ(device_line({{"a", "CPU (AVX2)", ""}, {"b", "CPU (AVX2)", ""}}, "over MPI"),
            "device: CPU (AVX2), 2 ranks on 2 nodes, exchange over MPI");
  EXPECT_EQ(device_line({{"a", "CPU (AVX2)", ""}, {"a", "CPU (AVX512)", ""}}, "over MPI"),
            "device: CPU (AVX2) and CPU (AVX512), 2 ranks on 1 node, exchange over MPI");
}

TEST(DeviceLine, Gpus) {
  std::vector<DevicePlace> ranks;
  for (const char* on_bus : {"0:1", "0:2", "0:3", "0:4"}) ranks.push_back({"a", "NVIDIA H200", on_bus});
  EXPECT_EQ(device_line(ranks, "by NCCL"), "device: NVIDIA H200, 4 on 1 node, exchange by NCCL");
  ranks[3] = {"b", "NVIDIA H200", "0:1"};
  EXPECT_EQ(device_line(ranks, "by NCCL"), "device: NVIDIA H200, 4 on 2 nodes, exchange by NCCL");
  ranks[3] = ranks[0];
  EXPECT_EQ(device_line(ranks, "over MPI"),
            "device: NVIDIA H200, 3 on 1 node for 4 ranks, exchange over MPI");
  EXPECT_EQ(device_line({ranks[0]}, ""), "device: NVIDIA H200, 1 on 1 node");
}

TEST(GpuPromise, TheFirstReasonThatIsEnough) {
  EXPECT_THAT(why_no_gpu({"x", true}, false, false).why, HasSubstr("built without CUDA"));
  EXPECT_THAT(why_no_gpu({"x", true}, false, false).way_out, HasSubstr("cmake --preset cuda"));
  EXPECT_THAT(why_no_gpu({"x", true}, true, true).why, HasSubstr("CUDA_VISIBLE_DEVICES hides"));
  EXPECT_THAT(why_no_gpu({"x", false}, true, false).why, HasSubstr("/proc/driver/nvidia is missing"));
  EXPECT_THAT(why_no_gpu({"x", false}, true, true).way_out, HasSubstr("nvidia-smi"));
  for (const bool cuda : {false, true}) {
    for (const bool driver : {false, true})
      EXPECT_THAT(why_no_gpu({"x", false}, cuda, driver).way_out, HasSubstr("run.device = cpu"));
  }
}

}  // namespace
}  // namespace vitrail::trainer
