// Runs the blocks of a kernel, one after another and one caller at a time.
#pragma once

#include <functional>
#include <random>

#include "tests/support/gpu_on_host/cuda.hpp"
#include "tests/support/gpu_on_host/gpu_on_host.hpp"

namespace vitrail::tests::gpu_on_host {

bool can_run(dim3 grid, dim3 threads);  // one dimension, whole warps
void run_blocks(dim3 grid, dim3 threads, Order order, const std::function<void()>& kernel);

}  // namespace vitrail::tests::gpu_on_host
