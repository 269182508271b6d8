#include "trainer/weights/task_head.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "models/families/catalogue.hpp"
#include "trainer/base/error.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::trainer {

std::set<std::string> task_head(const SettingsMap& settings, const std::string& place) {
  const auto head = task_head_of(settings, place);
  if (!head || std::holds_alternative<models::ProbeConfig>(*head)) return {};
  models::ModelConfig trained = config_of(settings, place, "model.").model;
  trained.task_head = head;
  std::set<std::string> names;
  for (const models::ParameterSpec& spec : models::parameters_of(trained)) {
    if (spec.head) names.insert(spec.name);
  }
  return names;
}

std::optional<models::TaskHead> head_asked_for(const std::string& weights, Asked asked) {
  std::optional<models::TaskHead> head;
  if (std::filesystem::is_directory(weights)) {
    const auto folder = find_checkpoint(weights);
    head = task_head_of(read_checkpoint_manifest(folder).settings, folder.string());
  }
  if (asked == Asked::projection) {
    if (head && std::holds_alternative<models::EmbeddingConfig>(*head)) return head;
    throw Error(
        ExitCode::refused,
        fmt::format("evaluate.features = projection: {} has no embedding of task.name = grafit", weights),
        "set evaluate.features = head");
  }
  const bool is_probe = head && std::holds_alternative<models::ProbeConfig>(*head);
  return asked == Asked::logits && is_probe ? head : std::nullopt;
}

}  // namespace vitrail::trainer
