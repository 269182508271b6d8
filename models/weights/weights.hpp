// Weights files: safetensors whose tensors carry timm's names. Any floating-point type is taken. How the
// tensors of one network become the parameters of another, for another image size or number of classes.
// Throws: Error(bad_data) naming the file and the tensors.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/parameter_spec.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::models {

// Where a parameter's values come from.
enum class Fit {
  as_stored,
  resized,   // position embeddings of another grid: position_resize.hpp
  fresh,     // a head of another number of classes, or of none: its initial values
  selected,  // a head of other classes, of which whoever reads knows the rows
};

struct StoredTensor {
  DataType type = DataType::f32;
  std::vector<std::int64_t> shape;

  std::int64_t elements() const { return TensorInfo{type, shape}.elements(); }
};

// By parameter. What has no place and no fit is one error that lists every missing, superfluous and misfit
// tensor; `where` names the file. Counters of batch norm layers (num_batches_tracked) are passed over. A file
// without any head is one of a network that was cut off there.
std::vector<Fit> fit_weights(const std::map<std::string, StoredTensor>& stored,
                             const std::vector<ParameterSpec>& parameters, const std::string& where);
std::map<std::string, StoredTensor> stored_tensors(const SafetensorsReader& file);

// What wrappers of PyTorch put before every name of a network, nested in any order: module. (data-parallel),
// _orig_mod. (compiled), model. (a part of a larger one). Empty where the names are ours as they are, or are
// not behind such a prefix.
std::string wrapper_prefix(const std::map<std::string, StoredTensor>& stored,
                           const std::vector<ParameterSpec>& parameters);
std::map<std::string, StoredTensor> without_prefix(const std::map<std::string, StoredTensor>& stored,
                                                   const std::string& prefix);

// Elements [begin, begin + out.size()) of parameter `name`.
void read_weights(const SafetensorsReader& file, const std::string& name, std::int64_t begin,
                  std::span<double> out);

}  // namespace vitrail::models
