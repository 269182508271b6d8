#include "models/families/catalogue.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <type_traits>

#include <fmt/format.h>

#include "models/families/families.hpp"
#include "models/families/task_head.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/text/nearest.hpp"

namespace vitrail::models {
namespace {

// Calls visit(std::type_identity<Config>()) for each family.
template <class Visit>
void for_each_family(Visit visit) {
  [&]<class... Config>(std::type_identity<std::variant<Config...>>) {
    (visit(std::type_identity<Config>()), ...);
  }(std::type_identity<FamilyConfig>());
}

// A family that has it has a number for it.
template <class Config>
void check_dropout(const ModelConfig& config) {
  if constexpr (!requires(const Config& family) { family.dropout; }) {
    if (config.dropout > 0) {
      throw Error(ExitCode::refused,
                  fmt::format("model.dropout = {}: {} has none; ViT and DeiT have it, others "
                              "have model.drop_path",
                              config.dropout, config.name));
    }
  }
}

std::vector<ModelNames> all_names() {
  std::vector<ModelNames> all;
  for_each_family(
      [&](auto family) { std::ranges::copy(decltype(family)::type::names(), std::back_inserter(all)); });
  return all;
}

}  // namespace

FamilyConfig resolve(const ModelConfig& config) {
  std::optional<FamilyConfig> found;
  for_each_family([&](auto family) {
    using Config = typename decltype(family)::type;
    const auto names = Config::names();
    const auto is_it = [&](const ModelNames& model) { return model.include(config.name); };
    if (!std::ranges::any_of(names, is_it)) return;
    check_dropout<Config>(config);
    found = Config::resolve(config);
  });
  if (found) return *found;
  std::vector<std::string> known = known_models();
  std::ranges::copy(model_aliases(), std::back_inserter(known));
  const std::string nearest = nearest_name(config.name, known);
  throw Error(ExitCode::usage,
              fmt::format("model.name: no model is called \"{}\"; {}", config.name,
                          nearest.empty() ? "`vitrail models` lists them" : "nearest: " + nearest));
}

std::vector<std::string> known_models() {
  std::vector<std::string> names;
  for (const ModelNames& model : all_names()) names.emplace_back(model.name);
  return names;
}

std::vector<std::string> model_aliases() {
  std::vector<std::string> names;
  for (const ModelNames& model : all_names()) {
    for (const std::string_view alias : model.aliases) {
      if (!alias.empty()) names.emplace_back(alias);
    }
  }
  return names;
}

bool is_known_model(std::string_view name) {
  return std::ranges::any_of(all_names(), [&](const ModelNames& model) { return model.include(name); });
}

bool is_timms_name(std::string_view name) {
  const auto models = all_names();
  return std::ranges::any_of(models, [&](const ModelNames& model) {
    return (model.is_timms && model.name == name) ||
           std::ranges::find(model.aliases, name) != model.aliases.end();
  });
}

std::int64_t image_size_of_name(const std::string& name) {
  const auto aliases = model_aliases();
  const std::string plain(without_tag(name));
  if (std::ranges::find(aliases, plain) == aliases.end()) return ModelConfig().image_size;
  const std::string last = plain.substr(plain.rfind('_') + 1);
  const bool is_number =
      !last.empty() && std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? std::stoll(last) : ModelConfig().image_size;
}

namespace {

template <class Family>
Declaration declaration_of(const Family& family, const ModelConfig& config) {
  Declaration declared;
  family.declare(declared);
  if (config.task_head) declare_task_head(declared, *config.task_head, family);
  return declared;
}

}  // namespace

ParameterSpecs parameters_of(const ModelConfig& config) {
  return std::visit([&](const auto& family) { return declaration_of(family, config).parameters(); },
                    resolve(config));
}

std::optional<std::int64_t> smallest_view(const ModelConfig& config) {
  return std::visit([](const auto& family) { return family.smallest_view(); }, resolve(config));
}

ModelSummary describe_model(const ModelConfig& config) {
  const auto summary = [&](const auto& family) {
    const Declaration declared = declaration_of(family, config);
    const Costs& costs = declared.costs();
    std::int64_t params = 0;
    for (const ParameterSpec& spec : declared.parameters())
      params += spec.is_statistic() ? 0 : spec.elements();
    return ModelSummary{.name = family.name,
                        .params = params,
                        .macs = costs.all_macs(),
                        .tokens = family.tokens(),
                        .image_size = family.image_size,
                        .classes = family.classes,
                        .activation_bytes = 4 * costs.kept_numbers(),
                        .pixels_used = family.pixels_used(),
                        .talking_heads = std::is_same_v<std::remove_cvref_t<decltype(family)>, CaitConfig>,
                        .macs_in_training = costs.macs_in_training(),
                        .macs_deviation = costs.macs_deviation(),
                        .macs_again = costs.macs_again()};
  };
  return std::visit(summary, resolve(config));
}

}  // namespace vitrail::models
