// The numbers that tests/peers/patterns.py gives to timm's networks, made again: fixtures need not
// hold weights.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

#include "models/parameter_spec.hpp"

namespace vitrail::models {

inline constexpr std::int64_t kImages = 6;
inline constexpr std::int64_t kImagesPattern = 1000, kProbePattern = 1001, kSecondProbePattern = 1002;

// Multiples of 2^-16 in [-1, 1).
inline at::Tensor pattern(std::int64_t number, const std::vector<std::int64_t>& shape, at::ScalarType type) {
  std::vector<double> values(static_cast<std::size_t>(c10::multiply_integers(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto v = static_cast<std::uint32_t>(i + 1 + static_cast<std::size_t>(number) * 1000003);
    v *= 2654435761U;
    v ^= v >> 15;
    v *= 2246822519U;
    v ^= v >> 13;
    values[i] = static_cast<double>(v >> 15) / 65536 - 1;
  }
  return at::tensor(values, at::kDouble).view(shape).to(type);
}

// Every term of the network counts: gains near 1, LayerScale near 1/2, heads that talk.
inline std::vector<at::Tensor> pattern_weights(const ParameterSpecs& specs, at::ScalarType type) {
  std::vector<at::Tensor> weights;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const std::string& name = specs[i].name;
    const at::Tensor noise = pattern(static_cast<std::int64_t>(i), specs[i].shape, type);
    const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    const auto ends = [&](const char* part) { return name.ends_with(part); };
    if (has("gamma") || ends("ls1") || ends("ls2")) {
      weights.push_back(0.5 + 0.25 * noise);
    } else if (has("running_var")) {
      weights.push_back(1 + 0.5 * noise);
    } else if ((noise.dim() == 1 && ends("weight")) || ends("alpha") || ends("temperature") ||
               ends("gating_param")) {
      weights.push_back(1 + 0.25 * noise);
    } else if (has("proj_l.weight") || has("proj_w.weight")) {
      weights.push_back(0.5 * noise);
    } else {
      weights.push_back(0.25 * noise);
    }
  }
  return weights;
}

}  // namespace vitrail::models
