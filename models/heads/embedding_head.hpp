// A head whose output is compared by cosine, with what predicts another network's output from it (Grafit;
// Grill et al. 2020). Features [B,D] -> Logits::classes [B,E], the embedding, and Logits::distillation [B,E],
// the prediction, where there is one. Both are two linear layers with batch norm and ReLU between, the
// embedding's maybe a single one. Throws: Error(refused) for a network whose classifier it cannot replace.
#pragma once

#include <optional>
#include <string>

#include "models/declaration.hpp"
#include "models/model_config.hpp"

namespace vitrail::models {

class Bound;
struct Features;
struct Logits;
struct Pass;

struct EmbeddingHead {
  struct Layers {
    AffineId first;
    std::optional<BatchNormId> norm;  // behind it, and then ReLU and the second one; else it is alone
    AffineId second;
  };

  Layers projector;
  std::optional<Layers> predictor;

  Logits operator()(const Features& features, const Bound& p, const Pass& pass) const;
};

// In the place of the classifier that `d` ends with.
EmbeddingHead declare_embedding(Declaration& d, const EmbeddingConfig& config, const std::string& model);

}  // namespace vitrail::models
