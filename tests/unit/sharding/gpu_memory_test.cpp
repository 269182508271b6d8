// What a GPU's memory and host waits cost, as only a GPU that is the host can tell.
#include <optional>

#include <gtest/gtest.h>

#include "sharding/device/buffer.hpp"
#include "sharding/device/gpu_device.hpp"
#include "tests/support/gpu_on_host/gpu_on_host.hpp"

namespace vitrail::sharding {
namespace {

using tests::gpu_on_host::Counts;
using tests::gpu_on_host::take_counts;

TEST(GpuMemoryTest, WhatOthersGiveBackIsTaken) {
  tests::gpu_on_host::set_memory(1000);
  std::optional<Buffer> cached;
  {
    const auto gpu = make_gpu_device(0, [&] { cached.reset(); });
    cached.emplace(DataType::u8, 600, *gpu);
    const Buffer taken(DataType::u8, 700, *gpu);
    EXPECT_FALSE(cached);
    EXPECT_THROW(Buffer(DataType::u8, 700, *gpu), std::bad_alloc);
  }
  tests::gpu_on_host::set_memory(std::size_t{1} << 40);
}

// Pageable memory is copied by the host's leave alone, which waits for it.
TEST(GpuMemoryTest, OnlyPinnedMemoryIsCopiedWithoutAWait) {
  const auto gpu = make_gpu_device(0);
  const Buffer here(DataType::u8, 1000, *gpu);
  std::vector<std::byte> there(1000, std::byte{1});
  take_counts();
  gpu->compute().copy(here.data(), 1000, there.data());
  EXPECT_EQ(take_counts().pageable_copies, 1);
  const std::shared_ptr<void> pinned = gpu->pin(there);
  gpu->compute().copy(here.data(), 1000, there.data());
  gpu->compute().finish();
  const Counts counts = take_counts();
  EXPECT_EQ(counts.copies, 1);
  EXPECT_EQ(counts.pageable_copies, 0);
  EXPECT_EQ(counts.waits, 1);
  EXPECT_EQ(there, std::vector<std::byte>(1000));
}

// The first update takes the runs along; from then on only scalars travel, and none of it is pageable.
TEST(GpuMemoryTest, AListGoesToTheGpuOnce) {
  const auto gpu = make_gpu_device(0);
  Buffer weights(DataType::f32, 1000, *gpu), average(DataType::f32, 1000, *gpu);
  UpdateRun run;
  run.elements = 1000;
  run.weight = weights.data();
  run.average = average.data();
  run.sum = weights.data();
  UpdateList list({run}, {UpdateScalars{}});
  gpu->compute().update(UpdateKernel::move_average, DataType::f32, list, {});
  take_counts();
  for (int i = 0; i < 3; ++i) gpu->compute().update(UpdateKernel::move_average, DataType::f32, list, {});
  Counts counts = take_counts();
  EXPECT_EQ(counts.launches, 3);
  EXPECT_EQ(counts.copies, 3);
  EXPECT_EQ(counts.pageable_copies, 0);
  std::vector<Squares> squares(1);
  gpu->compute().update(UpdateKernel::squares, DataType::f32, list, squares);
  counts = take_counts();
  EXPECT_EQ(counts.copies, 2);  // scalars there, squares back
  EXPECT_EQ(counts.pageable_copies, 0);
}

}  // namespace
}  // namespace vitrail::sharding
