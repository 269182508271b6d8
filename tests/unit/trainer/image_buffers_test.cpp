#include "trainer/device/image_buffers.hpp"

#include <gtest/gtest.h>

#include "sharding/device/host_device.hpp"
#include "tests/support/lazy_device.hpp"

namespace vitrail::trainer {
namespace {

constexpr std::int64_t kElements = 5;
constexpr int kLanes = 5;

// The views of a lane, in pinned memory of `device`.
std::vector<datasets::PixelBuffer> views_of(int lane, sharding::Device& device) {
  std::vector<datasets::PixelBuffer> views;
  for (int view = 0; view < 2; ++view) {
    constexpr std::size_t kBytes = kElements * sizeof(float);
    std::byte* const bytes = device.allocate(kBytes, sharding::Memory::pinned);
    const std::shared_ptr<float> memory(reinterpret_cast<float*>(bytes), [&device](float* address) {
      device.release(reinterpret_cast<std::byte*>(address), sharding::Memory::pinned);
    });
    std::fill_n(memory.get(), kElements, static_cast<float>(10 * lane + view));
    views.emplace_back(memory, kElements);
  }
  return views;
}

// Copying as late as may be shows what is read before it has come, as early as may be what is written over
// before it was read. What a lane computes is a copy of its images.
TEST(ImageBuffers, EachLaneSeesItsOwnImages) {
  for (const bool early : {false, true}) {
    tests::LazyDevice device(early);
    ImageBuffers images(device);
    ASSERT_TRUE(images.copies());
    sharding::Buffer seen(DataType::f32, 2 * kElements * kLanes, device, sharding::Memory::pinned);
    std::vector<std::vector<datasets::PixelBuffer>> lanes;
    for (int lane = 0; lane < kLanes; ++lane) {
      lanes.push_back(views_of(lane, device));
      const std::vector<float*> places = images.take(lanes.back());
      ASSERT_EQ(places.size(), 2U);
      for (int view = 0; view < 2; ++view) {
        device.compute().copy(reinterpret_cast<const std::byte*>(places[static_cast<std::size_t>(view)]),
                              kElements * sizeof(float), seen.at((2 * lane + view) * kElements));
      }
    }
    device.compute().finish();
    for (int lane = 0; lane < kLanes; ++lane)
      for (int view = 0; view < 2; ++view)
        EXPECT_EQ(seen.as<float>()[static_cast<std::size_t>((2 * lane + view) * kElements)],
                  static_cast<float>(10 * lane + view))
            << lane << " " << view << " " << early;
    EXPECT_EQ(images.bytes(), 2 * 2 * kElements * 4);
  }
}

TEST(ImageBuffers, AHostComputesFromWhereImagesLie) {
  sharding::HostDevice host;
  const ImageBuffers images(host);
  EXPECT_FALSE(images.copies());
  EXPECT_EQ(images.bytes(), 0);
}

}  // namespace
}  // namespace vitrail::trainer
