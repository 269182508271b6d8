#include "models/families/task_head.hpp"

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

struct Declare {
  Declaration& d;
  const FamilyConfig& family;

  Head operator()(const ProjectionConfig& config) const { return declare_projection(d, config, name()); }
  Head operator()(const ProbeConfig& config) const {
    const auto classes = std::visit([](const auto& network) { return network.classes; }, family);
    return declare_probe(d, config, classes, name());
  }
  Head operator()(const EmbeddingConfig& config) const { return declare_embedding(d, config, name()); }
  Head operator()(const ReconstructionConfig& config) const {
    const auto* const vit = std::get_if<VitConfig>(&family);
    if (vit == nullptr) {
      throw Error(ExitCode::refused,
                  fmt::format("model.name = {}: it has no way to leave patches out", name()),
                  "choose a vision transformer, as deit_b16");
    }
    return declare_pixel_decoder(d, config, {vit->grid(), vit->patch, vit->tokens_in_training()}, vit->name);
  }

 private:
  std::string name() const {
    return std::visit([](const auto& config) { return config.name; }, family);
  }
};

}  // namespace

Head declare_task_head(Declaration& d, const TaskHead& head, const FamilyConfig& family) {
  return std::visit(Declare{d, family}, head);
}

}  // namespace vitrail::models
