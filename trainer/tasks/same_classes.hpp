// What labels mean: the classes of a data set, in its order. A label of data with other classes, or the same
// in another order, would be counted or taught as a class that it is not. Throws: Error(refused) naming the
// first class that differs.
#pragma once

#include <string>
#include <vector>

#include "datasets/dataset.hpp"

namespace vitrail::trainer {

std::vector<std::string> class_ids(const datasets::Dataset& dataset);

// Compares as many as both have; `where` says whose classes the `known` ones are.
void check_same_classes(const std::vector<std::string>& known, const std::string& where,
                        const datasets::Dataset& dataset);

}  // namespace vitrail::trainer
