// Weights files: safetensors whose tensors carry timm's names. Any floating-point type is taken.
// Throws: Error(bad_data) naming the file and the tensors.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "models/parameter_spec.hpp"
#include "trainer/base/safetensors.hpp"

namespace vitrail::models {

// Every parameter is there in its shape and nothing else is; else one error that lists all that is not so.
void check_weights(const SafetensorsReader& file, const std::vector<ParameterSpec>& parameters);

// Elements [begin, begin + out.size()) of parameter `name`.
void read_weights(const SafetensorsReader& file, const std::string& name, std::int64_t begin,
                  std::span<double> out);

}  // namespace vitrail::models
