#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using namespace sharding;

SettingCondition with_lamb() {
  return {"optimizer.name", "optimizer.name = lamb",
          [](const Config& config) { return config.optimizer.name == OptimizerName::lamb; }};
}

SettingCondition with_sgd() {
  return {"optimizer.name", "optimizer.name = sgd",
          [](const Config& config) { return config.optimizer.name == OptimizerName::sgd; }};
}

SettingCondition with_moments() {
  return {"optimizer.name", "optimizer.name = adamw or lamb",
          [](const Config& config) { return config.optimizer.name != OptimizerName::sgd; }};
}

SettingCondition with_adaptive_clipping() {
  return {"optimizer.clip_adaptive", "optimizer.clip_adaptive above 0",
          [](const Config& config) { return config.optimizer.clip_adaptive > 0; }};
}

template <class Reach>
void add_clipping(const Section<Reach>& optimizer) {
  optimizer.add("clip_norm", &OptimizerConfig::clip_norm, Effect::result,
                {.help = "largest norm of the whole gradient; 0: no clipping", .bounds = at_least(0)});
  optimizer.add("clip_tensor", &OptimizerConfig::clip_tensor, Effect::result,
                {.help = "largest norm of each tensor's gradient, each by itself, before clip_norm; 0: no "
                         "clipping",
                 .bounds = at_least(0)});
  optimizer.add(
      "clip_value", &OptimizerConfig::clip_value, Effect::result,
      {.help = "largest absolute value of a gradient's element, before other clipping; 0: no clipping",
       .bounds = at_least(0)});
  optimizer.add("clip_adaptive", &OptimizerConfig::clip_adaptive, Effect::result,
                {.help = "largest norm of the gradient of a row, kernel or vector over that of its weights, "
                         "before clip_norm; 0: no clipping",
                 .bounds = at_least(0)});
  optimizer.add("clip_adaptive_head", &OptimizerConfig::clip_adaptive_head, Effect::result,
                {.help = "clip_adaptive: the classifier's as well", .when = {with_adaptive_clipping()}});
}

template <class Reach>
void add_lamb_settings(const Section<Reach>& optimizer) {
  optimizer.add("lamb_max_grad_norm", &OptimizerConfig::lamb_max_grad_norm, Effect::result,
                {.help = "LAMB's own clipping, after clip_norm; 0: none",
                 .bounds = at_least(0),
                 .when = {with_lamb()}});
  optimizer.add("lamb_trust_clip", &OptimizerConfig::lamb_trust_clip, Effect::result,
                {.help = "trust ratio at most 1", .when = {with_lamb()}});
  optimizer.add("lamb_always_adapt", &OptimizerConfig::lamb_always_adapt, Effect::result,
                {.help = "trust ratio also for what has no weight decay", .when = {with_lamb()}});
  optimizer.add("lamb_decoupled_decay", &OptimizerConfig::lamb_decoupled_decay, Effect::result,
                {.help = "decay the weight itself instead of adding to the update", .when = {with_lamb()}});
}

}  // namespace

void add_optimizer_settings(std::vector<Setting>& table) {
  const Section optimizer(
      table, "optimizer", [](auto& config) -> auto& { return config.optimizer; });
  optimizer.choice(
      "name", &OptimizerConfig::name,
      {{OptimizerName::adamw, "adamw"}, {OptimizerName::lamb, "lamb"}, {OptimizerName::sgd, "sgd"}},
      Effect::identity, {.help = "the update rule"});
  optimizer.add(
      "lr", &OptimizerConfig::lr, Effect::result,
      {.help = "learning rate at its highest, used as written unless schedule.scale_lr says otherwise",
       .bounds = above(0)});
  optimizer.add(
      "beta1", &OptimizerConfig::beta1, Effect::result,
      {.help = "decay of the mean of gradients", .bounds = from_below(0, 1), .when = {with_moments()}});
  optimizer.add("beta2", &OptimizerConfig::beta2, Effect::result,
                {.help = "decay of the mean of squared gradients",
                 .bounds = from_below(0, 1),
                 .when = {with_moments()}});
  optimizer.add("eps", &OptimizerConfig::eps, Effect::result,
                {.help = "added to the root of the mean square before dividing",
                 .bounds = at_least(1e-30),  // less is 0 in fp32, where a gradient of 0 gives 0 / 0
                 .when = {with_moments()}});
  optimizer.add("momentum", &OptimizerConfig::momentum, Effect::result,
                {.help = "share of the last step that the next one repeats",
                 .bounds = from_below(0, 1),
                 .when = {with_sgd()}});
  optimizer.add("nesterov", &OptimizerConfig::nesterov, Effect::result,
                {.help = "look ahead along the momentum", .when = {with_sgd()}});
  optimizer.add(
      "weight_decay", &OptimizerConfig::weight_decay, Effect::result,
      {.help = "of matrices; biases and gains have none, positions and class tokens by decay_tokens",
       .bounds = at_least(0)});
  optimizer.add("decay_tokens", &OptimizerConfig::decay_tokens, Effect::result,
                {.help = "weight decay of positions and class tokens, too, as in DINO's code"});
  add_clipping(optimizer);
  add_lamb_settings(optimizer);
  optimizer.add("layer_decay", &OptimizerConfig::layer_decay, Effect::result,
                {.help = "learning rate of a layer over that of the next, down from the head's; 1: all alike",
                 .bounds = above_to(0, 1),
                 .when = {with_learning_body()}});
}

}  // namespace vitrail::trainer
