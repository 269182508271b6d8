// Which classes a row of logits finds likeliest.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vitrail::trainer {

struct Prediction {
  std::int64_t label = 0;
  double logit = 0, probability = 0;
};

// At most `top`, the likeliest first; ties go to the lower class, NaN ranks last.
std::vector<Prediction> likeliest(std::span<const double> logits, std::int64_t top);

}  // namespace vitrail::trainer
