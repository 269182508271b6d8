#include "trainer/settings/train_only.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern.front() != '*')
    return !name.empty() && pattern.front() == name.front() && matches(pattern.substr(1), name.substr(1));
  return matches(pattern.substr(1), name) || (!name.empty() && matches(pattern, name.substr(1)));
}

}  // namespace

std::vector<bool> trained_parameters(const std::vector<models::ParameterSpec>& parameters,
                                     const std::string& patterns) {
  std::vector<bool> trained(parameters.size(), patterns.empty());
  std::istringstream words(patterns);
  for (std::string pattern; std::getline(words, pattern, ',');) {
    bool found = false;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      if (!matches(pattern, parameters[p].name)) continue;
      trained[p] = true;
      found = true;
    }
    if (found) continue;
    throw Error(ExitCode::refused,
                fmt::format("finetune.train_only: no parameter of the model matches \"{}\"", pattern),
                fmt::format("they are called as {} or {}", parameters.front().name, parameters.back().name));
  }
  return trained;
}

std::string describe_trained(const std::vector<models::ParameterSpec>& parameters,
                             const std::string& patterns) {
  const std::vector<bool> trained = trained_parameters(parameters, patterns);
  std::int64_t tensors = 0, all = 0, elements = 0;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    all += parameters[p].elements();
    if (!trained[p]) continue;
    ++tensors;
    elements += parameters[p].elements();
  }
  return fmt::format("finetune.train_only = {}: {} of {} tensors are trained, {:.2f} of {:.2f} M elements",
                     patterns, tensors, parameters.size(), static_cast<double>(elements) / 1e6,
                     static_cast<double>(all) / 1e6);
}

ZeroGradients::ZeroGradients(const std::vector<models::ParameterSpec>& parameters,
                             const std::vector<bool>& trained, sharding::Device& device) {
  std::int64_t largest = 0;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    if (trained[p]) continue;
    frozen_.push_back(p);
    largest = std::max(largest, parameters[p].elements());
  }
  zeros_ = sharding::Buffer(DataType::f64, largest, device);
}

void ZeroGradients::add_to(sharding::GradientReducer& gradients) const {
  for (const std::size_t p : frozen_) gradients.add(p, zeros_.data());
}

}  // namespace vitrail::trainer
