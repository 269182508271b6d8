#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using models::EmbeddingConfig;

SettingCondition with_instances() {
  return {"grafit.instance_weight", "a grafit.instance_weight above 0",
          [](const Config& config) { return config.grafit.instance_weight > 0; }};
}

SettingCondition with_two_layers() {
  return {"grafit.linear", "grafit.linear = false",
          [](const Config& config) { return !config.grafit.head.linear; }};
}

template <class Reach>
void add_instances(const Section<Reach>& grafit) {
  grafit.add("instance_weight", &GrafitConfig::instance_weight, Effect::identity,
             {.help = "weight of the loss that each view of an image shall predict the target network's "
                      "embeddings of its "
                      "other views, beside the neighbours' loss; 0: neighbours alone (SNCA+)",
              .bounds = from_to(0, 1e6),
              .when = {with_grafit()}});
  grafit.add("views", &GrafitConfig::views, Effect::identity,
             {.help = "views of an image for that loss; the neighbours' loss sees one more",
              .bounds = from_to(2, 64),
              .unit = "views",
              .when = {with_grafit(), with_instances()}});
  grafit.add("momentum", &GrafitConfig::momentum, Effect::identity,
             {.help = "share of its own weights that the target keeps at the first step; by a cosine to 1",
              .bounds = from_to(0, 1),
              .when = {with_grafit(), with_instances()}});
}

template <class Reach>
void add_memory(const Section<Reach>& grafit) {
  grafit.add("temperature", &GrafitConfig::temperature, Effect::identity,
             {.help = "neighbours count with exp(cosine / temperature)",
              .bounds = above(0),
              .when = {with_grafit()}});
  grafit.add("memory_momentum", &GrafitConfig::memory_momentum, Effect::identity,
             {.help = "share of its own that the remembered embedding of an image keeps when it is seen",
              .bounds = from_below(0, 1),
              .when = {with_grafit()}});
  grafit.add("memory_renormalised", &GrafitConfig::memory_renormalised, Effect::identity,
             {.help = "a remembered embedding is brought to length 1 when it has moved (SNCA)",
              .when = {with_grafit()}});
}

void add_head(std::vector<Setting>& table) {
  const Section head(
      table, "grafit", [](auto& config) -> auto& { return config.grafit.head; });
  head.add(
      "linear", &EmbeddingConfig::linear, Effect::identity,
      {.help =
           "the embedding is one linear layer of the features (Grafit FC), instead of two with batch norm "
           "between",
       .when = {with_grafit()}});
  head.add("hidden", &EmbeddingConfig::hidden, Effect::identity,
           {.help = "width between those two",
            .bounds = from_to(1, 65536),
            .when = {with_grafit(), with_two_layers()}});
  head.add("outputs", &EmbeddingConfig::outputs, Effect::identity,
           {.help = "numbers of an embedding", .bounds = from_to(1, 65536), .when = {with_grafit()}});
  head.add("predictor_hidden", &EmbeddingConfig::predictor_hidden, Effect::identity,
           {.help = "width of the hidden layer of what predicts the target's embedding (BYOL)",
            .bounds = from_to(1, 65536),
            .when = {with_grafit(), with_instances()}});
}

}  // namespace

void add_grafit_settings(std::vector<Setting>& table) {
  const Section grafit(
      table, "grafit", [](auto& config) -> auto& { return config.grafit; });
  add_instances(grafit);
  add_memory(grafit);
  add_head(table);
}

}  // namespace vitrail::trainer
