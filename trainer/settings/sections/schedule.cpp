#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

bool is_period(const Duration& duration) { return counts_images(duration) && duration.count > 0; }

SettingCondition with_step() {
  return {"schedule.name", "schedule.name = step",
          [](const Config& config) { return config.schedule.name == ScheduleName::step; }};
}

SettingCondition with_end() {
  return {"schedule.name", "schedule.name = cosine or linear", [](const Config& config) {
            const ScheduleName name = config.schedule.name;
            return name == ScheduleName::cosine || name == ScheduleName::linear;
          }};
}

SettingCondition with_decay() {
  return {"schedule.name", "schedule.name = cosine, linear or step",
          [](const Config& config) { return config.schedule.name != ScheduleName::constant; }};
}

SettingCondition with_warmup() {
  return {"schedule.warmup", "a schedule.warmup above 0",
          [](const Config& config) { return config.schedule.warmup.count > 0; }};
}

SettingCondition with_scaling() {
  return {"schedule.scale_lr", "schedule.scale_lr = linear or sqrt",
          [](const Config& config) { return config.schedule.scale_lr != LrScaling::off; }};
}

SettingCondition with_weight_decay() {
  return {"optimizer.weight_decay", "an optimizer.weight_decay above 0",
          [](const Config& config) { return config.optimizer.weight_decay > 0; }};
}

SettingCondition with_drop_path() {
  return {"model.drop_path", "a model.drop_path above 0",
          [](const Config& config) { return config.model.drop_path > 0; }};
}

template <class Reach>
void add_learning_rate(const Section<Reach>& schedule) {
  schedule.choice("name", &ScheduleConfig::name,
                  {{ScheduleName::cosine, "cosine"},
                   {ScheduleName::linear, "linear"},
                   {ScheduleName::step, "step"},
                   {ScheduleName::constant, "constant"}},
                  Effect::result, {.help = "the learning rate over the run, as in timm"});
  schedule.add("warmup", &ScheduleConfig::warmup, Effect::result,
               {.help = "linear warm-up from warmup_lr to the peak; the decay runs from step 0, so it counts "
                        "during the warm-up too"},
               {"a length in epochs or steps: 5ep, 1000st", counts_images});
  schedule.add("warmup_lr", &ScheduleConfig::warmup_lr, Effect::result,
               {.help = "learning rate of the first step", .bounds = at_least(0), .when = {with_warmup()}});
  schedule.add(
      "warmup_to_peak", &ScheduleConfig::warmup_to_peak, Effect::result,
      {.help = "the last step of the warm-up has the peak, as in DINO's code; else the step after it",
       .when = {with_warmup()}});
  schedule.add("warmup_prefix", &ScheduleConfig::warmup_prefix, Effect::result,
               {.help = "the decay begins after the warm-up and takes the rest of the run",
                .when = {with_warmup(), with_decay()}});
  schedule.add("min_lr", &ScheduleConfig::min_lr, Effect::result,
               {.help = "learning rate at the end; no lower bound: a peak below it rises to it",
                .bounds = at_least(0),
                .when = {with_end()}});
  schedule.add("decay_every", &ScheduleConfig::decay_every, Effect::result,
               {.help = "interval at which the rate is multiplied by decay_rate", .when = {with_step()}},
               {"a length above 0 in epochs or steps: 5ep, 1000st", is_period});
  schedule.add("decay_rate", &ScheduleConfig::decay_rate, Effect::result,
               {.help = "factor of the rate at each decay_every", .bounds = above(0), .when = {with_step()}});
}

}  // namespace

void add_schedule_settings(std::vector<Setting>& table) {
  const Section schedule(
      table, "schedule", [](auto& config) -> auto& { return config.schedule; });
  add_learning_rate(schedule);
  schedule.choice(
      "per_epoch", &ScheduleConfig::per_epoch,
      {{EpochStepping::off, "off"}, {EpochStepping::timm, "timm"}, {EpochStepping::deit, "deit"}},
      Effect::result,
      {.help = "change with every step; or once an epoch, to the value of its first step (timm) or of the "
               "epoch before, so that the first two run at warmup_lr (deit)"});
  schedule.choice("scale_lr", &ScheduleConfig::scale_lr,
                  {{LrScaling::off, "off"}, {LrScaling::linear, "linear"}, {LrScaling::sqrt, "sqrt"}},
                  Effect::result,
                  {.help = "the peak is optimizer.lr; or that times data.global_batch_size / base_batch, or "
                           "the root of it; warmup_lr and min_lr stay. DeiT: linear at 512; timm: at 256, "
                           "sqrt for adamw and lamb"});
  schedule.add("base_batch", &ScheduleConfig::base_batch, Effect::result,
               {.help = "batch for which optimizer.lr is meant",
                .bounds = from_to(1, 1e9),
                .unit = "images",
                .when = {with_scaling()}});
  schedule.add("weight_decay_end", &ScheduleConfig::weight_decay_end, Effect::result,
               {.help = "weight decay at the end, reached by a cosine from optimizer.weight_decay",
                .bounds = at_least(0),
                .absent = "the same all the time",
                .when = {with_weight_decay()}});
  schedule.add("drop_path_start", &ScheduleConfig::drop_path_start, Effect::identity,
               {.help = "drop-path rate at the beginning, from where it goes straight to model.drop_path",
                .bounds = from_below(0, 1),
                .absent = "the same all the time",
                .when = {with_learning_body(), with_drop_path()}});
}

}  // namespace vitrail::trainer
