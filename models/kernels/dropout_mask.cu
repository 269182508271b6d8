// Each thread draws blocks of four elements.
#include "models/kernels/dropout_mask_kernel.hpp"
#include "trainer/base/launch.cuh"

namespace vitrail::models::cuda {
namespace {

constexpr unsigned kThreads = 256;

__global__ void dropout_mask_kernel(const PhiloxStart start, std::uint32_t below, std::int64_t rows,
                                    std::int64_t elements, bool* mask) {
  const std::int64_t blocks = (elements + 3) / 4;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < rows * blocks;
       i += stride) {
    const std::int64_t row = i / blocks, first = i % blocks * 4;
    const PhiloxBlock block =
        philox_block(start, static_cast<std::uint32_t>(first / 4), static_cast<std::uint32_t>(row));
    for (int k = 0; k < 4; ++k) {
      if (first + k < elements) mask[row * elements + first + k] = block.words[k] >= below;
    }
  }
}

}  // namespace

void launch_dropout_mask(cudaStream_t stream, const PhiloxStart& start, std::uint32_t below,
                         std::int64_t rows, std::int64_t elements_of_row, bool* mask) {
  constexpr std::int64_t kEnough = 8192;  // blocks that fill any GPU
  const std::int64_t wanted = (rows * ((elements_of_row + 3) / 4) + kThreads - 1) / kThreads;
  launch(dropout_mask_kernel, static_cast<unsigned>(wanted < kEnough ? wanted : kEnough), kThreads, stream,
         start, below, rows, elements_of_row, mask);
}

}  // namespace vitrail::models::cuda
