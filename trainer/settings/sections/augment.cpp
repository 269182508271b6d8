#include "datasets/augment/autoaugment.hpp"
#include "datasets/augment/mixing.hpp"
#include "datasets/augment/randaugment.hpp"
#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using namespace datasets;

SettingCondition with_random_crop() {
  return {"augment.crop", "augment.crop = rrc",
          [](const Config& config) { return config.augment.crop == Crop::rrc; }};
}

// 3-Augment is a recipe of its own; DeiT leaves these out beside it.
SettingCondition without_three_augment() {
  return {"augment.three_augment", "augment.three_augment = false",
          [](const Config& config) { return !config.augment.three_augment; }};
}

SettingCondition without_randaugment() {
  return {"augment.randaugment", "no augment.randaugment",
          [](const Config& config) { return config.augment.randaugment.empty(); }};
}

SettingCondition without_autoaugment() {
  return {"augment.autoaugment", "no augment.autoaugment",
          [](const Config& config) { return config.augment.autoaugment.empty(); }};
}

SettingCondition with_erasing() {
  return {"augment.random_erasing", "an augment.random_erasing above 0",
          [](const Config& config) { return config.augment.random_erasing > 0; }};
}

SettingCondition with_mixing() {
  return {"", "augment.mixup or augment.cutmix above 0",
          [](const Config& config) { return mixes(config.augment); }};
}

SettingCondition with_both_mixings() {
  return {"", "augment.mixup and augment.cutmix above 0",
          [](const Config& config) { return config.augment.mixup > 0 && config.augment.cutmix > 0; }};
}

std::string wrong_randaugment(const std::string& text) {
  return text.empty() ? "" : complaint_about_randaugment(text);
}

std::string wrong_autoaugment(const std::string& text) {
  return text.empty() ? "" : complaint_about_autoaugment(text);
}

template <class Reach>
void add_policy_settings(const Section<Reach>& augment) {
  augment.add("three_augment", &AugmentConfig::three_augment, Effect::identity,
              {.help = "DeiT III's 3-Augment: grey, solarized or blurred, one of the three at random",
               .when = {with_one_view(), with_images()}});
  augment.add("randaugment", &AugmentConfig::randaugment, Effect::identity,
              {.help = "RandAugment in timm's words, as rand-m9-mstd0.5-inc1",
               .placeholder = "rand-...",
               .absent = "none",
               .when = {with_one_view(), with_images(), without_three_augment()}},
              {"rand and any of -mN -nN -pX -mstdX -mmaxN -inc1 -tSET",
               [](const std::string& text) { return wrong_randaugment(text).empty(); }, wrong_randaugment});
  augment.add("autoaugment", &AugmentConfig::autoaugment, Effect::identity,
              {.help = "AutoAugment's policy for ImageNet in timm's words: original, originalr, and -mstdX",
               .placeholder = "original...",
               .absent = "none",
               .when = {with_one_view(), with_images(), without_three_augment(), without_randaugment()}},
              {"original or originalr, and -mstdX",
               [](const std::string& text) { return wrong_autoaugment(text).empty(); }, wrong_autoaugment});
  augment.add("trivial_augment", &AugmentConfig::trivial_augment, Effect::identity,
              {.help = "TrivialAugment with its wide ranges: one operation at one strength, both at random",
               .when = {with_one_view(), with_images(), without_three_augment(), without_randaugment(),
                        without_autoaugment()}});
}

template <class Reach>
void add_pixel_settings(const Section<Reach>& augment) {
  augment.choice(
      "crop", &AugmentConfig::crop,
      {{Crop::rrc, "rrc"}, {Crop::src, "src"}, {Crop::pad, "pad"}, {Crop::none, "none"}}, Effect::identity,
      {.help = "a random part of the image, resized (rrc); the image with its shorter side resized and 4 "
               "reflected pixels around it, cut out at a random place (src); the same with black ones, as "
               "CIFAR's 32 pixels are trained on (pad); or the evaluation transform (none)",
       .when = {with_one_view(), with_images()}});
  augment.add("crop_min_area", &AugmentConfig::crop_min_area, Effect::identity,
              {.help = "smallest share of an image's area that a random crop keeps",
               .bounds = above_to(0, 1),
               .when = {with_one_view(), with_images(), with_random_crop()}});
  augment.add("flip", &AugmentConfig::flip, Effect::identity,
              {.help = "mirror every second image, at random", .when = {with_one_view(), with_images()}});
  augment.add(
      "dct_scaling", &AugmentConfig::dct_scaling, Effect::identity,
      {.help = "decode a JPEG at a half, a quarter or an eighth where the crop stays large enough: faster, "
               "with slightly other pixels",
       .when = {with_one_view(), with_images()}});
  add_policy_settings(augment);
  augment.add(
      "color_jitter", &AugmentConfig::color_jitter, Effect::identity,
      {.help = "brightness, contrast and saturation by factors of 1 +- this, in random order; 0: none",
       .bounds = from_to(0, 10),
       .when = {with_one_view(), with_images()}});
  augment.add("random_erasing", &AugmentConfig::random_erasing, Effect::identity,
              {.help = "share of images of which a box is painted over",
               .bounds = from_to(0, 1),
               .when = {with_one_view(), with_images(), without_three_augment()}});
  augment.choice(
      "random_erasing_mode", &AugmentConfig::random_erasing_mode,
      {{ErasingMode::constant, "const"}, {ErasingMode::colour, "rand"}, {ErasingMode::noise, "pixel"}},
      Effect::identity,
      {.help = "with the mean colour, one random colour, or noise",
       .when = {with_one_view(), with_images(), without_three_augment(), with_erasing()}});
  augment.add("random_erasing_count", &AugmentConfig::random_erasing_count, Effect::identity,
              {.help = "boxes of an image at most",
               .bounds = from_to(1, 64),
               .when = {with_one_view(), with_images(), without_three_augment(), with_erasing()}});
}

template <class Reach>
void add_mixing_settings(const Section<Reach>& augment) {
  augment.add(
      "mixup", &AugmentConfig::mixup, Effect::identity,
      {.help = "alpha of mixup's Beta distribution; pairs of images of a micro-batch are blended; 0: off",
       .bounds = from_to(0, 100),
       .when = {with_labels()}});
  augment.add("cutmix", &AugmentConfig::cutmix, Effect::identity,
              {.help = "alpha of CutMix's Beta distribution; a box is pasted between pairs of images of a "
                       "micro-batch; 0: off",
               .bounds = from_to(0, 100),
               .when = {with_labels()}});
  augment.add("mix_probability", &AugmentConfig::mix_probability, Effect::identity,
              {.help = "probability of mixing at all",
               .bounds = from_to(0, 1),
               .when = {with_labels(), with_mixing()}});
  augment.add("switch_probability", &AugmentConfig::switch_probability, Effect::identity,
              {.help = "probability of cutmix where mixup is on too",
               .bounds = from_to(0, 1),
               .when = {with_labels(), with_both_mixings()}});
  augment.choice(
      "mix_mode", &AugmentConfig::mix_mode,
      {{MixMode::batch, "batch"}, {MixMode::pair, "pair"}, {MixMode::element, "elem"}}, Effect::identity,
      {.help = "one draw per micro-batch, per pair or per image", .when = {with_labels(), with_mixing()}});
}

}  // namespace

void add_augment_settings(std::vector<Setting>& table) {
  const Section augment(
      table, "augment", [](auto& config) -> auto& { return config.augment; });
  add_pixel_settings(augment);
  add_mixing_settings(augment);
}

}  // namespace vitrail::trainer
