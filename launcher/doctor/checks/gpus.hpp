// Verdicts on the GPUs of nodes: how many for how many ranks, one driver, compute mode, memory errors, who
// else computes there. Pure functions of facts by rank.
#pragma once

#include <string>
#include <vector>

#include "launcher/doctor/facts/gpus.hpp"
#include "launcher/doctor/finding.hpp"
#include "trainer/device/gpu_promise.hpp"

namespace vitrail::launcher {

// `wants`: run.device = cuda. One finding where there are no GPUs.
Findings check_gpus(const std::vector<GpusOfRank>& ranks, const trainer::GpuPromise& promise, bool wants,
                    bool built_with_cuda);

}  // namespace vitrail::launcher
