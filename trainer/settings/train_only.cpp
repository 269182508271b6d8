#include "trainer/settings/train_only.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

// The text between two stars is best found where it comes first: no choice has to be taken back, however many
// stars there are.
bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t first = pattern.find('*'), last = pattern.rfind('*');
  if (first == std::string_view::npos) return pattern == name;
  const std::string_view head = pattern.substr(0, first), tail = pattern.substr(last + 1);
  if (name.size() < head.size() + tail.size() || !name.starts_with(head) || !name.ends_with(tail))
    return false;
  name = name.substr(first, name.size() - head.size() - tail.size());
  for (std::size_t at = first; at < last;) {
    const std::size_t next = pattern.find('*', at + 1);
    const std::string_view part = pattern.substr(at + 1, next - at - 1);
    const std::size_t found = name.find(part);
    if (found == std::string_view::npos) return false;
    name.remove_prefix(found + part.size());
    at = next;
  }
  return true;
}

}  // namespace

std::vector<bool> trained_parameters(const std::vector<models::ParameterSpec>& parameters,
                                     const std::string& patterns) {
  std::vector<bool> trained;
  for (const auto& parameter : parameters) trained.push_back(patterns.empty() && !parameter.fixed);
  std::istringstream words(patterns);
  for (std::string pattern; std::getline(words, pattern, ',');) {
    bool found = false;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      if (!matches(pattern, parameters[p].name)) continue;
      trained[p] = !parameters[p].fixed;
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
