#include "launcher/options/command_sets.hpp"
#include "launcher/options/option_checks.hpp"
#include "launcher/options/options.hpp"
#include "models/feature_choice.hpp"

namespace vitrail::launcher {
namespace {

using namespace trainer;

Condition by_classifier() {
  return {"evaluate.protocol", "evaluate.protocol = classifier",
          [](const CommandLine& line) { return line.config.evaluation.protocol == Protocol::classifier; }};
}

Condition by_neighbours() {
  return {"evaluate.protocol", "evaluate.protocol = knn",
          [](const CommandLine& line) { return line.config.evaluation.protocol == Protocol::knn; }};
}

}  // namespace

void add_evaluation_settings(std::vector<Option>& table) {
  const Section evaluate(
      table, "evaluate", kTraining, [](auto& line) -> auto& { return line.config.evaluation; });
  evaluate.add("every", &EvaluationConfig::every,
               {.help = "time between evaluations; 0ep: only at the end", .when = {with_validation()}});
  evaluate.add("crop_ratio", &EvaluationConfig::crop_ratio,
               {.help = "side of the centre crop over the resized image's shorter side",
                .bounds = above_to(0, 1),
                .when = {with_validation()},
                .commands = kAsking});
  evaluate.add("flip", &EvaluationConfig::flip,
               {.help = "average the logits of every image and its mirror",
                .when = {with_validation()},
                .commands = kAsking});
  evaluate.add("batch_size", &EvaluationConfig::batch_size,
               {.help = "images per forward pass of an evaluation",
                .bounds = from_to(1, 65536),
                .unit = "images",
                .when = {with_validation()},
                .commands = kAsking});

  evaluate.choice("weights", &EvaluationConfig::weights,
                  {{WeightsUsed::raw, "raw"}, {WeightsUsed::ema, "ema"}},
                  {.help = "raw: the weights, or ema: their moving average (ema.decay)",
                   .when = {with_validation()},
                   .commands = kAsking});
  evaluate.add(
      "real_labels", &EvaluationConfig::real_labels,
      {.help = "ImageNet's reassessed labels: top-1 and top-5 where any of an image's labels is right",
       .placeholder = "real.json",
       .absent = "none",
       .commands = {Command::eval}});
  evaluate.add("per_class", &EvaluationConfig::per_class,
               {.help = "images, top-1 and top-5 of each class as well",
                .when = {by_classifier()},
                .commands = {Command::eval}});
  evaluate.choice(
      "protocol", &EvaluationConfig::protocol, {{Protocol::classifier, "classifier"}, {Protocol::knn, "knn"}},
      {.help = "how images are classified: by the model's own head, or by the labels of the images of "
               "evaluate.known whose features are nearest (weighted k-NN)",
       .commands = {Command::eval}});
  evaluate.add("known", &EvaluationConfig::known,
               {.help = "images whose labels vote",
                .placeholder = "SOURCE",
                .absent = "data.train of the checkpoint",
                .when = {by_neighbours()},
                .commands = {Command::eval}});
  evaluate.add("neighbours", &EvaluationConfig::neighbours,
               {.help = "k of k-NN",
                .bounds = from_to(1, 1e6),
                .when = {by_neighbours()},
                .commands = {Command::eval}});
  evaluate.add("temperature", &EvaluationConfig::temperature,
               {.help = "of the neighbours' votes, exp(cosine / temperature)",
                .bounds = above(0),
                .when = {by_neighbours()},
                .commands = {Command::eval}});
  evaluate.add(
      "features", &EvaluationConfig::features,
      {.help = "of each image: what the head reads, the mean over patches, or the pooled outputs of the "
               "last N blocks side by side",
       .placeholder = "head|mean|last:N",
       .when = {by_neighbours()},
       .commands = {Command::eval}},
      {"head, mean or last:N",
       [](const std::string& text) { return models::read_feature_choice(text).has_value(); }});
}

}  // namespace vitrail::launcher
