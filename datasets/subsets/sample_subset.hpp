// Learning from few labels: a part of a data set's samples, chosen by a seed, or listed. A smaller part of
// the same seed lies inside of a larger one. Throws: Error(usage) for a text that says no part;
// Error(refused) for one that is empty or lists what is not there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

bool is_subset(const std::string& text);  // "1%", "25/class" or "list:FILE"

// `balanced`: a percentage is of each class alike, so that all classes have the same number (at least one) as
// far as they have it. The seed does not matter to a list: a name a line, in full or behind the last "/".
std::shared_ptr<const Dataset> keep_subset(std::shared_ptr<const Dataset> dataset,
                                           const SubsetOptions& options);

}  // namespace vitrail::datasets
