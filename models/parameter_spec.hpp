// A model's parameters as pure values, known before anything is allocated. Everything that others need to
// know of one is said here, by the family that declares it (declaration.hpp), and never read off its name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/weights/init.hpp"

namespace vitrail::models {

// statistic: a batch norm's running mean or variance, stored with the weights; it has no gradient.
enum class Role { weight, bias, gain, token, position, statistic };

struct ParameterSpec {
  std::string name;  // timm's tensor name
  std::vector<std::int64_t> shape;
  Init init = {};
  Role role = Role::weight;
  bool head = false;             // of what follows the features; of a classifier: a row for each class
  bool decays = false;           // weight decay applies to it
  bool in_compute_type = false;  // a matrix: halves in half precision, as its gradient on the wire
  bool fixed = false;            // stays as it begins, whatever is trained
  bool late = false;             // may begin to learn after the others
  std::string replaces = {};     // stored weights may have this tensor instead: then it begins anew
  int block = 0;                 // where forward first uses it, as Pass::before_block counts
  int layer = 0;                 // for layer decay: embedding 0, blocks from 1 on, the head last

  bool is_statistic() const { return role == Role::statistic; }
  std::int64_t elements() const;
};

using ParameterSpecs = std::vector<ParameterSpec>;

std::string format_shape(const std::vector<std::int64_t>& shape);  // "[384, 3, 16, 16]"

}  // namespace vitrail::models
