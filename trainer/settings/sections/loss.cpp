#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

SettingCondition with_bce() {
  return {"loss.name", "loss.name = bce",
          [](const Config& config) { return config.loss.name == LossName::bce; }};
}

}  // namespace

void add_loss_settings(std::vector<Setting>& table) {
  const Section loss(
      table, "loss", [](auto& config) -> auto& { return config.loss; });
  loss.choice("name", &LossConfig::name, {{LossName::ce, "ce"}, {LossName::bce, "bce"}}, Effect::identity,
              {.help = "cross-entropy, or binary cross-entropy for each class", .when = {with_labels()}});
  loss.add("smoothing", &LossConfig::smoothing, Effect::identity,
           {.help = "label smoothing: share of the target spread over all classes",
            .bounds = from_below(0, 1),
            .when = {with_labels()}});
  loss.add(
      "threshold", &LossConfig::threshold, Effect::identity,
      {.help = "what a mixed and smoothed target has to exceed to count as 1, not 0: DeiT III 0, commands "
               "that follow ResNet strikes back 0.2",
       .bounds = from_below(0, 1),
       .when = {with_labels(), with_bce()}});
}

}  // namespace vitrail::trainer
