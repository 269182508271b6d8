// Images with coarser classes than their own: a text file has a line for each class, its wnid (or name where
// there is none), a comma or a tab, and its coarse class's name. # begins a remark. Coarse classes are
// numbered as they first come up. Throws: Error(usage) naming the line that is no such line or lists a class
// twice; Error(refused) for a class of the data set that has no line; Error(io).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

struct CoarseClasses {
  std::vector<std::int64_t> of_class;  // by the data set's label
  std::vector<std::string> names;
};
CoarseClasses read_coarse_classes(const Dataset& dataset, const std::string& file);

std::shared_ptr<const Dataset> coarsen(std::shared_ptr<const Dataset> dataset, const std::string& file);

}  // namespace vitrail::datasets
