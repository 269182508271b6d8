#include "datasets/pixel_buffer.hpp"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace vitrail::datasets {
namespace {

TEST(PixelPool, MemoryComesAgain) {
  int taken = 0;
  PixelPool pool(
      [&](std::size_t floats) {
        ++taken;
        return ordinary_memory(floats);
      },
      100);
  const float* first = nullptr;
  {
    PixelBuffer a = pool.take(100), b = pool.take(60);
    EXPECT_EQ(taken, 2);
    EXPECT_EQ(a.size(), 100U);
    EXPECT_EQ(b.size(), 60U);
    EXPECT_NE(a.data(), b.data());
    std::fill(a.begin(), a.end(), 1.0F);
    std::fill(b.begin(), b.end(), 2.0F);
    EXPECT_EQ(a, PixelBuffer(std::vector<float>(100, 1.0F)));
    first = a.data();
    const PixelBuffer moved = std::move(a);
    EXPECT_EQ(moved.data(), first);
  }
  PixelBuffer c = pool.take(10), d = pool.take(10);
  EXPECT_EQ(taken, 2) << "both were given back";
  EXPECT_TRUE(c.data() == first || d.data() == first);
}

TEST(PixelPool, BuffersOutliveIt) {
  PixelBuffer buffer;
  std::atomic<int> freed = 0;
  {
    PixelPool pool(
        [&](std::size_t floats) {
          return std::shared_ptr<float>(new float[floats], [&](float* p) {
            delete[] p;
            ++freed;
          });
        },
        8);
    buffer = pool.take(8);
    const PixelBuffer idle = pool.take(8);
  }
  buffer.data()[7] = 3;
  EXPECT_EQ(freed, 0);
  buffer = PixelBuffer();
  EXPECT_EQ(freed, 2) << "with the last buffer the idle ones go, too";
}

TEST(PixelPool, ManyThreadsNeverShareABuffer) {
  PixelPool pool(ordinary_memory, 64);
  std::vector<std::thread> threads;
  std::atomic<int> shared = 0;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        PixelBuffer buffer = pool.take(64);
        std::fill(buffer.begin(), buffer.end(), static_cast<float>(t));
        for (const float value : buffer) shared += value == static_cast<float>(t) ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared, 0);
}

}  // namespace
}  // namespace vitrail::datasets
