// Opens a run's data sets on all ranks at once: rank 0 looks whether every shard of a pack is there, the
// first rank of each node reads the index in full; the others map what these have looked at. Throws: on all
// ranks the same Error.
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.hpp"
#include "sharding/comm/communicator.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

enum class DataUse { training, evaluation };

// `key`: the setting that errors name, where data.val stands for another one.
std::shared_ptr<const datasets::Dataset> open_together(const datasets::DataConfig& config, DataUse use,
                                                       sharding::Communicator& communicator,
                                                       const std::string& key = "data.val");

// As evaluations see it: neighbours are judged by the classes themselves, not by coarser ones.
datasets::DataConfig evaluated_data(const Config& config);

// Whether images have labels where the run looks at them; `classes`: of the data set, 0 for none. Throws:
// Error(bad_data) naming the key.
void check_training_labels(const Config& config, std::int64_t classes);
void check_evaluation_labels(const std::string& source, std::int64_t classes,
                             const std::string& key = "data.val");

// The images whose labels vote where neighbours judge: evaluate.known, or else those that a run is `trained`
// on, as it cuts and labels them, by their own classes (data.coarse apart). Throws: Error(bad_data) for
// images without labels.
std::shared_ptr<const datasets::Dataset> open_known_images(const Config& config, datasets::DataConfig trained,
                                                           sharding::Communicator& communicator);

// Throws: Error(refused) where the known images have not all classes of those asked about, in their order.
void check_known_classes(const datasets::Dataset& known, const datasets::Dataset& asked);

}  // namespace vitrail::trainer
