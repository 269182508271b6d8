// What a plan of a run on these ranks counts with, to hold what is measured against it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launcher/doctor/checks/links.hpp"
#include "launcher/plan/hardware.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

struct Placed {
  std::int64_t ranks = 1, ranks_per_node = 1;
};

// Of a device, by name or as CUDA calls it (`found`; empty: there is none). `node`, `network`: GB/s by hand.
ExpectedLinks expected_links(GpuKind named, const std::string& found, const std::optional<double>& node,
                             const std::optional<double>& network);

// Images a second that a rank of this run computes; absent: the device is not known, and
// run.peak_tflops not given.
std::optional<double> expected_images_per_s(const trainer::Config& config, GpuKind named,
                                            const std::string& found, const Placed& placed);

}  // namespace vitrail::launcher
