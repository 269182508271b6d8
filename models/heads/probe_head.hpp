// A linear classifier on chosen features of a network whose body stays as it is: DINO's linear evaluation.
// Features as chosen [B,D'] -> logits [B,K]. Throws: Error(refused) for a network whose classifier it cannot
// replace, or features of another width than expected.
#pragma once

#include <cstdint>
#include <string>

#include "models/declaration.hpp"
#include "models/feature_choice.hpp"
#include "models/model_config.hpp"

namespace vitrail::models {

class Bound;
struct Features;
struct Logits;
struct Pass;

struct ProbeHead {
  AffineId classes;
  FeatureChoice reads;

  Logits operator()(const Features& features, const Bound& p, const Pass& pass) const;
};

// In the place of the classifier that `d` ends with, under its name; all that was declared before is fixed.
ProbeHead declare_probe(Declaration& d, const ProbeConfig& config, std::int64_t classes,
                        const std::string& model);

}  // namespace vitrail::models
