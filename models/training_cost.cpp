#include "models/training_cost.hpp"

#include <cmath>

#include "models/families/families.hpp"

namespace vitrail::models {
namespace {

struct Branches {
  double attention, mlp;  // multiply-accumulates of each
  double parallel;        // so many of both in a layer
};

Branches branches_of(const VitConfig& vit) {
  return {static_cast<double>(attention_macs(vit.tokens(), vit.width)),
          static_cast<double>(mlp_macs(vit.tokens(), vit.width)), static_cast<double>(vit.parallel)};
}

Branches branches_of(const CaitConfig& cait) {
  const auto mlp = static_cast<double>(mlp_macs(cait.patches(), cait.width));
  return {static_cast<double>(cait.block_macs()) - mlp, mlp, 1};
}

TrainingCost cost_of(const RegNetConfig&) { return {}; }

template <class Transformer>
TrainingCost cost_of(const Transformer& model) {
  const Branches branch = branches_of(model);
  const double squares = branch.attention * branch.attention + branch.mlp * branch.mlp;
  double variance = 0, again = 0;
  for (std::int64_t layer = 0; layer < model.depth; ++layer) {
    const double rate = model.drop_path_of(layer);
    variance += branch.parallel * rate * (1 - rate) * squares;
    if (model.checkpointing.blocks > 0)
      again += branch.parallel * (1 - rate) * (branch.attention + branch.mlp);
    if (model.checkpointing.attention) again += branch.parallel * (1 - rate) * branch.attention;
  }
  return {std::sqrt(variance), again};
}

}  // namespace

TrainingCost training_cost(const ModelConfig& config) {
  return std::visit([](const auto& model) { return cost_of(model); }, resolve(config));
}

}  // namespace vitrail::models
