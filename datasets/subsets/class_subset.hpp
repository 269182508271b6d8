// Some classes of a data set: their samples in the data set's order, labels renumbered as the file lists the
// classes (wnid, or name where there is none; one a line, # begins a comment). Costs a bit for each sample.
// Throws: Error(usage) for a file that is no such list, naming the line; Error(refused) for a class that the
// data set has not; Error(io).
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

std::shared_ptr<const Dataset> keep_classes(std::shared_ptr<const Dataset> dataset, const std::string& file);

}  // namespace vitrail::datasets
