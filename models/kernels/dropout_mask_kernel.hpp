// dropout_mask.hpp's work on a GPU's stream. C++17, for the CUDA compiler. Returns before it is done; errors
// are left to cudaGetLastError().
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "trainer/base/philox_block.hpp"

namespace vitrail::models::cuda {

void launch_dropout_mask(cudaStream_t stream, const PhiloxStart& start, std::uint32_t below,
                         std::int64_t rows, std::int64_t elements_of_row, bool* mask);

}  // namespace vitrail::models::cuda
