// Which parameters a run trains (finetune.train_only), and what the others need: no gradient, no decay, and
// zeros in the sums over lanes, so that plan and exchange are those of any run and their values stay to the
// bit. Throws: Error(refused) for a pattern that no parameter matches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "models/parameter_spec.hpp"
#include "sharding/state/gradient_reducer.hpp"

namespace vitrail::trainer {

// By parameter, those that never learn aside. `patterns`: names with * for any letters, separated by commas;
// empty: all are trained.
std::vector<bool> trained_parameters(const std::vector<models::ParameterSpec>& parameters,
                                     const std::string& patterns);

// A line for people: how many they are.
std::string describe_trained(const std::vector<models::ParameterSpec>& parameters,
                             const std::string& patterns);

// Gives the reducer the gradient of every parameter that has none.
class ZeroGradients {
 public:
  ZeroGradients(const std::vector<models::ParameterSpec>& parameters, const std::vector<bool>& trained,
                sharding::Device& device);

  void add_to(sharding::GradientReducer& gradients) const;  // after begin_lane
  bool contains(std::size_t parameter) const { return std::ranges::binary_search(frozen_, parameter); }

 private:
  std::vector<std::size_t> frozen_;
  sharding::Buffer zeros_;  // of the largest one
};

}  // namespace vitrail::trainer
