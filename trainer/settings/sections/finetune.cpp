#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

SettingCondition with_pretrained() {
  return {"model.weights", "model.weights",
          [](const Config& config) { return !config.model.weights.empty(); }};
}

}  // namespace

void add_finetune_settings(std::vector<Setting>& table) {
  const Section finetune(
      table, "finetune", [](auto& config) -> auto& { return config.finetune; });
  finetune.choice(
      "weights", &FinetuneConfig::weights, {{WeightsUsed::raw, "raw"}, {WeightsUsed::ema, "ema"}},
      Effect::result,
      {.help = "where model.weights is a checkpoint: raw: the weights, or ema: their moving average",
       .when = {with_pretrained()}});
  finetune.choice("head", &FinetuneConfig::head,
                  {{HeadStart::fresh, "fresh"}, {HeadStart::by_name, "by_name"}}, Effect::identity,
                  {.help = "where model.weights has other classes: a new head, or the rows of its head whose "
                           "classes the training data name, too",
                   .when = {with_labels(), with_pretrained()}});
  finetune.add("train_only", &FinetuneConfig::train_only, Effect::identity,
               {.help = "the parameters to train, others stay as they are: names with * for any letters, as "
                        "*.attn.*,head.*,pos_embed",
                .placeholder = "PATTERNS",
                .absent = "all of them"});
}

}  // namespace vitrail::trainer
