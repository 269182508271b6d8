// Images with the labels of a file, as `vitrail predict --output labels.csv` writes them: a table
// (label_list.hpp) of names and labels. Images that it does not list are left out; classes stay those of the
// data set; where it has none (tars without labels) the table's indices are, called as its column `class`
// says. Throws: Error(bad_data) naming the line of an image that is not there, is listed twice, or has a
// label that is no class; Error(io).
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

std::shared_ptr<const Dataset> relabel(std::shared_ptr<const Dataset> dataset, const std::string& file);

}  // namespace vitrail::datasets
