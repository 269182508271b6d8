#include "models/features.hpp"

#include <ATen/ATen.h>

#include "models/feature_choice.hpp"

namespace vitrail::models {

at::Tensor chosen(const Features& features, const FeatureChoice& choice) {
  if (choice.blocks > 0) return at::cat(features.blocks, 1);
  if (choice.beside) return at::stack({features.pooled, features.mean}, 2).flatten(1);
  return choice.mean ? features.mean : features.pooled;
}

}  // namespace vitrail::models
