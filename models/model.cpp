#include "models/model.hpp"

#include "models/vit.hpp"

namespace vitrail::models {

std::unique_ptr<Model> make_model(const ModelConfig& config) { return make_vit(resolve_vit(config)); }

}  // namespace vitrail::models
