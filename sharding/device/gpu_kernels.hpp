// The work of a GPU's stream. C++17, for the CUDA compiler. All addresses are the GPU's; calls return before
// the work is done, and leave errors to cudaGetLastError().
#pragma once

#include <cuda_runtime_api.h>

#include "sharding/device/addend.hpp"
#include "sharding/device/update_run.hpp"
#include "trainer/base/data_type.hpp"

namespace vitrail::sharding::gpu {

constexpr std::size_t kMostAddends = 128;

// As in sum_kernels.hpp: f32, f64, f16 or bf16. At most kMostAddends, of which 16 are left at a time.
void launch_add(cudaStream_t stream, DataType type, const Addend* addends, std::size_t count, std::int64_t n,
                std::byte* to);
void launch_widen(cudaStream_t stream, DataType type, const std::byte* from, std::int64_t n, std::byte* to);

// f32 or f64; `squares`: one for each run, or null for kernels that give none.
void launch_update(cudaStream_t stream, UpdateKernel kernel, DataType type, const UpdateRun* runs,
                   std::int64_t count, const UpdateScalars* scalars, Squares* squares);

}  // namespace vitrail::sharding::gpu
