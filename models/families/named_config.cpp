#include "models/families/named_config.hpp"

#include <optional>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

template <class T>
void refuse_if_given(const char* key, const std::optional<T>& value, const std::string& name) {
  if (value) throw Error(ExitCode::refused, fmt::format("model.{} = {}: {} has none", key, *value, name));
}

}  // namespace

double NamedConfig::drop_path_of(std::int64_t block, std::int64_t blocks) const {
  if (drop_path_law == DropPathLaw::constant) return drop_path;
  const double place = blocks == 1 ? 0 : static_cast<double>(block) / static_cast<double>(blocks - 1);
  return drop_path * place;
}

DropPath NamedConfig::drop_paths(std::size_t blocks, int branches) const {
  DropPath law{.rates = {}, .branches = branches};
  const auto count = static_cast<std::int64_t>(blocks);
  for (std::int64_t block = 0; block < count; ++block) law.rates.push_back(drop_path_of(block, count));
  return law;
}

NamedConfig named_config(const ModelConfig& config, const std::string& name, DropPathLaw own_law,
                         bool scaled) {
  refuse_if_given("patch", config.patch, name);
  refuse_if_given("width", config.width, name);
  refuse_if_given("depth", config.depth, name);
  refuse_if_given("heads", config.heads, name);
  refuse_if_given("parallel", config.parallel, name);
  if (!scaled) refuse_if_given("layer_scale", config.layer_scale, name);
  if (config.activation_checkpointing != "none") {
    throw Error(ExitCode::refused, fmt::format("model.activation_checkpointing = {}: {} has none",
                                               config.activation_checkpointing, name));
  }
  if (config.classes < 1 || config.image_size < 1) {
    throw Error(ExitCode::refused,
                fmt::format("model.classes = {}, model.image_size = {}: must be at least 1", config.classes,
                            config.image_size));
  }
  const bool has_law = config.drop_path_law != DropPathLaw::of_model;
  return {.name = name,
          .image_size = config.image_size,
          .classes = config.classes,
          .drop_path = config.drop_path,
          .drop_path_law = has_law ? config.drop_path_law : own_law};
}

}  // namespace vitrail::models
