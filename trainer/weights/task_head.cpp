#include "trainer/weights/task_head.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "models/families/catalogue.hpp"
#include "trainer/base/error.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::trainer {

std::filesystem::path checkpoint_in(const std::string& path) {
  const std::filesystem::path file = std::filesystem::path(path) / "model.safetensors";
  try {
    return find_checkpoint(path);
  } catch (const Error& e) {
    if (std::error_code none; !std::filesystem::exists(file, none)) throw;
    throw Error(e.code(), e.what(), fmt::format("set model.weights = {}", file.string()));
  }
}

namespace {

models::ParameterSpecs specs_of_head(const models::TaskHead& head, const SettingsMap& settings,
                                     const std::string& place) {
  models::ModelConfig trained = config_of(settings, place, "model.").model;
  trained.task_head = head;
  models::ParameterSpecs specs = models::parameters_of(trained);
  std::erase_if(specs, [](const models::ParameterSpec& spec) { return !spec.head; });
  return specs;
}

std::set<std::string> names_of(const models::ParameterSpecs& specs) {
  std::set<std::string> names;
  for (const models::ParameterSpec& spec : specs) names.insert(spec.name);
  return names;
}

bool has_place_for(const models::ParameterSpec& spec, const models::ParameterSpecs& wanted) {
  return std::ranges::any_of(wanted, [&](const models::ParameterSpec& other) {
    return other.name == spec.name && other.shape.size() == spec.shape.size() &&
           std::equal(other.shape.begin() + 1, other.shape.end(), spec.shape.begin() + 1);
  });
}

}  // namespace

std::set<std::string> task_head(const SettingsMap& settings, const std::string& place) {
  const auto head = task_head_of(settings, place);
  if (!head || std::holds_alternative<models::ProbeConfig>(*head)) return {};
  return names_of(specs_of_head(*head, settings, place));
}

std::set<std::string> head_left_out(const SettingsMap& settings, const std::string& place,
                                    const models::ParameterSpecs& wanted) {
  const auto head = task_head_of(settings, place);
  if (!head) return {};
  const models::ParameterSpecs specs = specs_of_head(*head, settings, place);
  const auto has_place = [&](const models::ParameterSpec& spec) { return has_place_for(spec, wanted); };
  return std::ranges::all_of(specs, has_place) ? std::set<std::string>() : names_of(specs);
}

std::optional<models::TaskHead> head_asked_for(const std::string& weights, Asked asked) {
  std::optional<models::TaskHead> head;
  if (std::filesystem::is_directory(weights)) {
    const auto folder = checkpoint_in(weights);
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
