// Several right answers for each image: ImageNet's reassessed labels (ReaL), a JSON list of lists of classes
// whose n-th entry is of the image that ends in number n (ILSVRC2012_val_00000001), or an object of image
// name -> list. Images whose list is empty count nowhere. Source: Beyer et al. 2020. Throws: Error(bad_data)
// naming the file for one that is no such list, has no entry for an image or a class that the model has not;
// Error(io).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/dataset.hpp"

namespace vitrail::trainer {

class RealLabels {
 public:
  RealLabels(const std::string& file, const datasets::Dataset& dataset, std::int64_t classes);

  const std::vector<std::int64_t>& of(std::int64_t index) const {  // of an image of the data set
    return labels_.at(static_cast<std::size_t>(index));
  }

 private:
  std::vector<std::vector<std::int64_t>> labels_;
};

}  // namespace vitrail::trainer
