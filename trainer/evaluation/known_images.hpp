// The images whose labels vote where neighbours judge: evaluate.known, or else those that the run is trained
// on, as it cuts and labels them, by their own classes (data.coarse apart). Collective. Throws: on all ranks
// Error(bad_data) for images without labels; Error(refused) where they have not the classes of those that are
// asked about, in their order; what open_together throws.
#pragma once

#include <memory>

#include "trainer/open_data.hpp"

namespace vitrail::trainer {

std::shared_ptr<const datasets::Dataset> open_known_images(const Config& config,
                                                           const datasets::DataConfig& trained,
                                                           const datasets::Dataset& asked,
                                                           sharding::Communicator& communicator);

}  // namespace vitrail::trainer
