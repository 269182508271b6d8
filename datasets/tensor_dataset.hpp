// A safetensors file of ready tensors as a data set: `images` float [N, 3, S, S] (F32, or F64 rounded to
// float) and `labels` int64 [N]. Images are read when asked for, labels are held. The door for comparing
// training with any other framework. Throws: Error(bad_data) naming file and tensor; Error(io).
#pragma once

#include <memory>
#include <string>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

// Where labels are unused a file may do without them; all are 0 then.
std::shared_ptr<const Dataset> open_tensor_dataset(const std::string& file, Labels labels = Labels::needed);

}  // namespace vitrail::datasets
