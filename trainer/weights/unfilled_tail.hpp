// A weights file whose end was reserved by a download and never filled: its header is whole, its last
// tensors are zeros. Throws: Error(bad_data) naming the tensors; Error(io).
#pragma once

#include <string>
#include <vector>

#include "models/parameter_spec.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::trainer {

// Gains, biases and heads may well be zeros, and any one tensor. Zeros over several at the end of the file,
// a matrix of the body among them, are nobody's weights. `prefix`: before all names of the file.
void refuse_unfilled_tail(const SafetensorsReader& file, const std::vector<models::ParameterSpec>& parameters,
                          const std::string& prefix);

}  // namespace vitrail::trainer
