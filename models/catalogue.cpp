#include "models/catalogue.hpp"

#include "models/macs.hpp"
#include "models/vit_config.hpp"

namespace vitrail::models {

std::vector<std::string> known_models() { return vit_names(); }

std::vector<std::string> model_aliases() { return vit_aliases(); }

std::vector<ParameterSpec> parameters_of(const ModelConfig& config) {
  return vit_parameters(resolve_vit(config));
}

ModelSummary describe_model(const ModelConfig& config) {
  const VitConfig vit = resolve_vit(config);
  std::int64_t params = 0;
  for (const ParameterSpec& spec : vit_parameters(vit)) params += spec.elements();
  return {.name = vit.name,
          .params = params,
          .macs = vit_macs(vit),
          .tokens = vit.tokens(),
          .image_size = vit.image_size,
          .classes = vit.classes,
          .activation_bytes = vit_activation_bytes(vit)};
}

}  // namespace vitrail::models
