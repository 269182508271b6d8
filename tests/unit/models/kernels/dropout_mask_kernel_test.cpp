// The GPU's masks of dropout, on the host (tests/support/gpu_on_host): element by element Philox's draws.
#include "models/kernels/dropout_mask_kernel.hpp"

#include <memory>

#include <gtest/gtest.h>

#include "trainer/base/philox.hpp"

namespace vitrail::models {
namespace {

TEST(DropoutMaskKernel, IsADrawOfEachRowsStreamForEachElement) {
  constexpr std::uint32_t kBelow = 1U << 30;
  for (const std::int64_t rows : {1, 3, 50}) {
    for (const std::int64_t elements : {1, 3, 4, 5, 1027}) {
      const auto count = static_cast<std::size_t>(rows * elements);
      void* on_gpu = nullptr;
      ASSERT_EQ(cudaMalloc(&on_gpu, count), cudaSuccess);
      const std::uint64_t id = std::uint64_t{7} << 24;
      cuda::launch_dropout_mask(nullptr, Philox(1, Purpose::dropout, 2, id, 3).start(), kBelow, rows,
                                elements, static_cast<bool*>(on_gpu));
      const auto mask = std::make_unique<bool[]>(count);
      ASSERT_EQ(cudaMemcpyAsync(mask.get(), on_gpu, count, cudaMemcpyDefault, nullptr), cudaSuccess);
      ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
      ASSERT_EQ(cudaFree(on_gpu), cudaSuccess);
      for (std::int64_t row = 0; row < rows; ++row) {
        Philox stream(1, Purpose::dropout, 2, id + static_cast<std::uint64_t>(row), 3);
        for (std::int64_t i = 0; i < elements; ++i) {
          ASSERT_EQ(mask[static_cast<std::size_t>(row * elements + i)], stream.next_u32() >= kBelow)
              << rows << " x " << elements << ": " << row << ", " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace vitrail::models
