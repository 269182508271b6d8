// Pictures that are made for a report: where a run's newest checkpoint looks, and what it was trained on.
// Throws: Error that names the run: refused for a network without attention maps and for a run without a
// checkpoint, bad_data, io; Error(usage) where the program was built without LibTorch.
#pragma once

#include <cstdint>
#include <string>

#include "launcher/report/report.hpp"
#include "trainer/device/gpu_promise.hpp"

namespace vitrail::launcher {

struct PicturesAsked {
  std::string attention, preview;  // sources of images; empty: none of these
  std::int64_t samples = 4;        // the first so many
  trainer::GpuPromise gpus = {};
};

// To the best so many runs.
inline constexpr std::size_t kRunsWithPictures = 4;
void add_pictures(Report& report, const PicturesAsked& asked);

}  // namespace vitrail::launcher
