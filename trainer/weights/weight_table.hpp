// What became of each tensor of a weights file or checkpoint, as lines of a table for people: loaded,
// changed to fit, dropped, or left out. Shapes as they are stored and as the model has them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/weights/weights.hpp"

namespace vitrail::trainer {

// changed: without what was taken as it is; changed_body: without the head as well, which nobody asks for.
enum class TableRows { all, changed, changed_body };

std::vector<std::string> weight_table(const std::map<std::string, models::StoredTensor>& stored,
                                      const std::vector<models::ParameterSpec>& parameters,
                                      const std::vector<models::Fit>& fit, TableRows rows);

}  // namespace vitrail::trainer
