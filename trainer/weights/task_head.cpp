#include "trainer/weights/task_head.hpp"

#include "models/families/catalogue.hpp"

namespace vitrail::trainer {

std::set<std::string> task_head(const SettingsMap& settings, const std::string& place) {
  const auto head = task_head_of(settings, place);
  if (!head) return {};
  models::ModelConfig trained = config_of(settings, place, "model.").model;
  trained.task_head = head;
  std::set<std::string> names;
  for (const models::ParameterSpec& spec : models::parameters_of(trained)) {
    if (spec.head) names.insert(spec.name);
  }
  return names;
}

}  // namespace vitrail::trainer
