#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using models::ProjectionConfig;

SettingCondition with_local_views() {
  return {"dino.local_views", "a dino.local_views above 0",
          [](const Config& config) { return config.dino.local_views > 0; }};
}

SettingCondition with_temperature_warmup() {
  return {"dino.temperature_warmup", "a dino.temperature_warmup above 0",
          [](const Config& config) { return config.dino.temperature_warmup > 0; }};
}

template <class Reach>
void add_views(const Section<Reach>& dino) {
  dino.add("local_views", &DinoConfig::local_views, Effect::identity,
           {.help = "small parts of an image, which the student sees beside two large ones; the teacher sees "
                    "the large ones only",
            .bounds = from_to(0, 64),
            .unit = "views",
            .when = {with_dino()}});
  dino.add("local_size", &DinoConfig::local_size, Effect::identity,
           {.help = "side of a small view; positions are interpolated where it is not model.image_size",
            .bounds = from_to(4, 2048),
            .unit = "pixels",
            .when = {with_dino(), with_local_views()}});
  dino.add("global_min_area", &DinoConfig::global_min_area, Effect::identity,
           {.help = "smallest share of an image's area that a large view shows",
            .bounds = above_to(0, 1),
            .when = {with_dino()}});
  dino.add("local_min_area", &DinoConfig::local_min_area, Effect::identity,
           {.help = "smallest share that a small view shows",
            .bounds = above_to(0, 1),
            .when = {with_dino(), with_local_views()}});
  dino.add("local_max_area", &DinoConfig::local_max_area, Effect::identity,
           {.help = "largest share that a small view shows",
            .bounds = above_to(0, 1),
            .when = {with_dino(), with_local_views()}});
}

void add_head(std::vector<Setting>& table) {
  const Section head(
      table, "dino", [](auto& config) -> auto& { return config.dino.head; });
  head.add("outputs", &ProjectionConfig::outputs, Effect::identity,
           {.help = "prototypes: outputs of the projection head, which stands in the classifier's place",
            .bounds = from_to(2, 1e7),
            .when = {with_dino()}});
  head.add(
      "hidden", &ProjectionConfig::hidden, Effect::identity,
      {.help = "width of the head's two hidden layers", .bounds = from_to(1, 65536), .when = {with_dino()}});
  head.add("bottleneck", &ProjectionConfig::bottleneck, Effect::identity,
           {.help = "width of its third layer, whose output is brought to length 1",
            .bounds = from_to(1, 65536),
            .when = {with_dino()}});
  head.add("batch_norm", &ProjectionConfig::batch_norm, Effect::identity,
           {.help = "batch norm behind the hidden layers", .when = {with_dino()}});
  head.add("norm_last_layer", &ProjectionConfig::fixed_lengths, Effect::identity,
           {.help = "prototypes keep length 1; else their lengths are learned", .when = {with_dino()}});
}

template <class Reach>
void add_targets(const Section<Reach>& dino) {
  dino.add("student_temperature", &DinoConfig::student_temperature, Effect::identity,
           {.help = "the student's outputs are divided by it", .bounds = above(0), .when = {with_dino()}});
  dino.add(
      "teacher_temperature", &DinoConfig::teacher_temperature, Effect::identity,
      {.help = "the teacher's centred outputs are divided by it", .bounds = above(0), .when = {with_dino()}});
  dino.add("temperature_warmup", &DinoConfig::temperature_warmup, Effect::identity,
           {.help = "epochs in which the teacher's temperature goes straight from warmup_temperature to "
                    "teacher_temperature",
            .bounds = from_to(0, 1e6),
            .unit = "epochs",
            .when = {with_dino()}});
  dino.add("warmup_temperature", &DinoConfig::warmup_temperature, Effect::identity,
           {.help = "the teacher's temperature in the first epoch",
            .bounds = above(0),
            .when = {with_dino(), with_temperature_warmup()}});
  dino.add("centre_momentum", &DinoConfig::centre_momentum, Effect::identity,
           {.help = "share of its own that the centre of the teacher's outputs keeps at a step",
            .bounds = from_below(0, 1),
            .when = {with_dino()}});
  dino.add("momentum", &DinoConfig::momentum, Effect::identity,
           {.help = "share of its own weights that the teacher keeps at the first step; by a cosine to 1",
            .bounds = from_to(0, 1),
            .when = {with_dino()}});
  dino.add("freeze_last_layer", &DinoConfig::freeze_last_layer, Effect::identity,
           {.help = "epochs in which the prototypes take no step",
            .bounds = from_to(0, 1e6),
            .unit = "epochs",
            .when = {with_dino()}});
}

}  // namespace

void add_dino_settings(std::vector<Setting>& table) {
  const Section dino(
      table, "dino", [](auto& config) -> auto& { return config.dino; });
  add_views(dino);
  add_head(table);
  add_targets(dino);
}

}  // namespace vitrail::trainer
