// Images made on the spot, for dry runs: "N,CLASSES,SIZE". Every class has two colours and a stripe pattern
// of its own, every sample a phase, a contrast and noise, so a small network learns them within an epoch or
// two. Only integers decide a pixel: the same on every machine. Throws: Error(usage) for a malformed
// specification.
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

std::shared_ptr<const Dataset> open_synthetic_dataset(const std::string& spec);

}  // namespace vitrail::datasets
