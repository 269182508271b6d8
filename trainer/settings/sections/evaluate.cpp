#include "models/feature_choice.hpp"
#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

SettingCondition by_classifier() {
  return {"evaluate.protocol", "evaluate.protocol = classifier, and a task with labels",
          [](const Config& config) { return !judged_by_neighbours(config); }};
}

// The only way to judge what learned no labels.
SettingCondition by_neighbours() {
  return {"evaluate.protocol", "evaluate.protocol = knn, or a task.name without labels",
          judged_by_neighbours};
}

template <class Reach>
void add_neighbour_settings(const Section<Reach>& evaluate) {
  evaluate.add("known", &EvaluationConfig::known, Effect::result,
               {.help = "images whose labels vote",
                .placeholder = "SOURCE",
                .absent = "data.train, or that of the checkpoint",
                .when = {with_validation(), by_neighbours()}});
  evaluate.add("neighbours", &EvaluationConfig::neighbours, Effect::result,
               {.help = "how many neighbours vote (k)",
                .bounds = from_to(1, 1e6),
                .when = {with_validation(),
                         by_neighbours(),
                         {"evaluate.cross_validated", "evaluate.cross_validated = false",
                          [](const Config& config) { return !config.evaluation.cross_validated; }}}});
  evaluate.add(
      "cross_validated", &EvaluationConfig::cross_validated, Effect::result,
      {.help = "10, 15, 20, 25 or 30 neighbours vote, as the known images tell each other's labels best",
       .when = {with_validation(), by_neighbours()}});
  evaluate.add(
      "retrieval", &EvaluationConfig::retrieval, Effect::result,
      {.help = "mean average precision of the ranking of all known images as well; with data.coarse also "
               "under the condition of coarse probabilities and of coarse classes",
       .when = {with_validation(), by_neighbours()}});
  evaluate.add("temperature", &EvaluationConfig::temperature, Effect::result,
               {.help = "of the neighbours' votes, exp(cosine / temperature)",
                .bounds = above(0),
                .when = {with_validation(), by_neighbours()}});
  evaluate.add(
      "features", &EvaluationConfig::features, Effect::result,
      {.help = "of each image: what the head reads, the mean over patches, or the pooled outputs of the "
               "last N blocks side by side; both of the first in turn (head+mean); or the embedding that "
               "task.name = grafit learned (projection)",
       .placeholder = "head|mean|head+mean|last:N|projection",
       .when = {with_validation(), by_neighbours()}},
      {"head, mean, head+mean, last:N or projection",
       [](const std::string& text) { return models::read_feature_choice(text).has_value(); }});
}

}  // namespace

void add_evaluate_settings(std::vector<Setting>& table) {
  const Section evaluate(
      table, "evaluate", [](auto& config) -> auto& { return config.evaluation; });
  evaluate.add("every", &EvaluationConfig::every, Effect::place,
               {.help = "time between evaluations; 0ep: only at the end", .when = {with_validation()}});
  evaluate.add("crop_ratio", &EvaluationConfig::crop_ratio, Effect::result,
               {.help = "side of the centre crop over the resized image's shorter side",
                .bounds = above_to(0, 1),
                .when = {with_validation()}});
  evaluate.add("flip", &EvaluationConfig::flip, Effect::result,
               {.help = "average the logits of every image and its mirror",
                .when = {with_labels(), with_validation(), by_classifier()}});
  evaluate.choice(
      "crops", &EvaluationConfig::crops,
      {{datasets::EvaluationCrops::centre, "centre"}, {datasets::EvaluationCrops::five, "five"}},
      Effect::result,
      {.help = "look at the centre of the resized image, or average the logits of its four corners and its "
               "centre: five times the work and the memory of images",
       .when = {with_labels(), with_validation(), by_classifier()}});
  evaluate.add("batch_size", &EvaluationConfig::batch_size, Effect::speed,
               {.help = "images per forward pass of an evaluation",
                .bounds = from_to(1, 65536),
                .unit = "images",
                .when = {with_validation()}});

  evaluate.choice("weights", &EvaluationConfig::weights,
                  {{WeightsUsed::raw, "raw"}, {WeightsUsed::ema, "ema"}}, Effect::result,
                  {.help = "raw: the weights, or ema: their moving average (ema.decay, or a task's teacher)",
                   .when = {with_validation()}});

  const Section alone(
      table, "evaluate", [](auto& config) -> auto& { return config.evaluation; }, false);
  alone.add("real_labels", &EvaluationConfig::real_labels, Effect::result,
            {.help = "ImageNet's reassessed labels: top-1 and top-5 where any of an image's labels is right",
             .placeholder = "real.json",
             .absent = "none",
             .when = {with_validation(), by_classifier()}});
  alone.add("per_class", &EvaluationConfig::per_class, Effect::result,
            {.help = "images, top-1 and top-5 of each class as well; in JSON also what it was taken for",
             .when = {with_validation(), by_classifier()}});
  evaluate.choice(
      "protocol", &EvaluationConfig::protocol,
      {{Protocol::of_task, "auto"}, {Protocol::classifier, "classifier"}, {Protocol::knn, "knn"}},
      Effect::result,
      {.help = "how images are classified: by the model's own head, or by the labels of the images of "
               "evaluate.known whose features are nearest (weighted k-NN); auto: knn where task.name learns "
               "no labels",
       .when = {with_validation()}});
  add_neighbour_settings(evaluate);
}

}  // namespace vitrail::trainer
