#include <algorithm>

#include "datasets/augment/mixing.hpp"
#include "datasets/augment/randaugment.hpp"
#include "launcher/options/command_sets.hpp"
#include "launcher/options/options.hpp"

namespace vitrail::launcher {
namespace {

using namespace datasets;

// Tensors are images already: they are used as they are.
Condition with_images() {
  return {"data.train", "a data.train other than tensor:", [](const CommandLine& line) {
            return !line.config.data.train.starts_with("tensor:");
          }};
}

// Tensors are not normalised either; what is imported will look at images later.
Condition with_pixels() {
  return {"", "images that are decoded (tensor: is used as it is)", [](const CommandLine& line) {
            const auto decoded = [](const std::string& source) { return !source.starts_with("tensor:"); };
            const DataConfig& data = line.config.data;
            if (line.command == Command::import_weights) return true;
            if (line.command == Command::eval || line.command == Command::predict) return decoded(data.val);
            return decoded(data.train) || (!data.val.empty() && decoded(data.val));
          }};
}

std::string of_bytes(const ChannelValues& values) {
  const bool large = std::ranges::any_of(values, [](double value) { return value > 1; });
  return large ? "a pixel is meant between 0 and 1, not 0 and 255: divide by 255" : "";
}

Condition with_windows() {
  return {"data.order", "data.order = window",
          [](const CommandLine& line) { return line.config.data.order == Order::window; }};
}

Condition with_random_crop() {
  return {"augment.crop", "augment.crop = rrc",
          [](const CommandLine& line) { return line.config.augment.crop == Crop::rrc; }};
}

// 3-Augment is a recipe of its own; DeiT leaves these out beside it.
Condition without_three_augment() {
  return {"augment.three_augment", "augment.three_augment = false",
          [](const CommandLine& line) { return !line.config.augment.three_augment; }};
}

Condition with_erasing() {
  return {"augment.random_erasing", "an augment.random_erasing above 0",
          [](const CommandLine& line) { return line.config.augment.random_erasing > 0; }};
}

Condition with_mixing() {
  return {"", "augment.mixup or augment.cutmix above 0",
          [](const CommandLine& line) { return mixes(line.config.augment); }};
}

Condition with_both_mixings() {
  return {"", "augment.mixup and augment.cutmix above 0", [](const CommandLine& line) {
            return line.config.augment.mixup > 0 && line.config.augment.cutmix > 0;
          }};
}

std::string wrong_randaugment(const std::string& text) {
  return text.empty() ? "" : complaint_about_randaugment(text);
}

template <class Reach>
void add_pixel_settings(const Section<Reach>& augment) {
  augment.choice(
      "crop", &AugmentConfig::crop, {{Crop::rrc, "rrc"}, {Crop::src, "src"}, {Crop::none, "none"}},
      {.help = "a random part of the image, resized (rrc); the image with its shorter side resized and 4 "
               "reflected pixels around it, cut out at a random place (src); or the evaluation "
               "transform (none)",
       .when = {with_images()}});
  augment.add("crop_min_area", &AugmentConfig::crop_min_area,
              {.help = "smallest share of an image's area that a random crop keeps",
               .bounds = above_to(0, 1),
               .when = {with_images(), with_random_crop()}});
  augment.add("flip", &AugmentConfig::flip,
              {.help = "mirror every second image, at random", .when = {with_images()}});
  augment.add(
      "dct_scaling", &AugmentConfig::dct_scaling,
      {.help = "decode a JPEG at a half, a quarter or an eighth where the crop stays large enough: faster, "
               "with slightly other pixels",
       .when = {with_images()}});
  augment.add("three_augment", &AugmentConfig::three_augment,
              {.help = "DeiT III's 3-Augment: grey, solarized or blurred, one of the three at random",
               .when = {with_images()}});
  augment.add("randaugment", &AugmentConfig::randaugment,
              {.help = "RandAugment in timm's words, as rand-m9-mstd0.5-inc1",
               .placeholder = "rand-...",
               .absent = "none",
               .when = {with_images(), without_three_augment()}},
              {"rand and any of -mN -nN -pX -mstdX -mmaxN -inc1 -tSET",
               [](const std::string& text) { return wrong_randaugment(text).empty(); }, wrong_randaugment});
  augment.add(
      "color_jitter", &AugmentConfig::color_jitter,
      {.help = "brightness, contrast and saturation by factors of 1 +- this, in random order; 0: none",
       .bounds = from_to(0, 10),
       .when = {with_images()}});
  augment.add("random_erasing", &AugmentConfig::random_erasing,
              {.help = "share of images of which a box is painted over",
               .bounds = from_to(0, 1),
               .when = {with_images(), without_three_augment()}});
  augment.choice(
      "random_erasing_mode", &AugmentConfig::random_erasing_mode,
      {{ErasingMode::constant, "const"}, {ErasingMode::colour, "rand"}, {ErasingMode::noise, "pixel"}},
      {.help = "with the mean colour, one random colour, or noise",
       .when = {with_images(), without_three_augment(), with_erasing()}});
  augment.add("random_erasing_count", &AugmentConfig::random_erasing_count,
              {.help = "boxes of an image at most",
               .bounds = from_to(1, 64),
               .when = {with_images(), without_three_augment(), with_erasing()}});
}

template <class Reach>
void add_mixing_settings(const Section<Reach>& augment) {
  augment.add(
      "mixup", &AugmentConfig::mixup,
      {.help = "alpha of mixup's Beta distribution; pairs of images of a micro-batch are blended; 0: off",
       .bounds = from_to(0, 100)});
  augment.add("cutmix", &AugmentConfig::cutmix,
              {.help = "alpha of CutMix's Beta distribution; a box is pasted between pairs of images of a "
                       "micro-batch; 0: off",
               .bounds = from_to(0, 100)});
  augment.add("mix_probability", &AugmentConfig::mix_probability,
              {.help = "probability of mixing at all", .bounds = from_to(0, 1), .when = {with_mixing()}});
  augment.add("switch_probability", &AugmentConfig::switch_probability,
              {.help = "probability of cutmix where mixup is on too",
               .bounds = from_to(0, 1),
               .when = {with_both_mixings()}});
  augment.choice("mix_mode", &AugmentConfig::mix_mode,
                 {{MixMode::batch, "batch"}, {MixMode::pair, "pair"}, {MixMode::element, "elem"}},
                 {.help = "one draw per micro-batch, per pair or per image", .when = {with_mixing()}});
}

template <class Reach>
void add_order_settings(const Section<Reach>& data) {
  data.choice(
      "order", &DataConfig::order,
      {{Order::shuffled, "shuffled"}, {Order::window, "window"}, {Order::sequential, "sequential"}},
      {.help = "a new permutation each epoch; large reads at random places, mixed in memory (window: for "
               "parallel file systems); or as the source has them"});
  data.add("extent_images", &DataConfig::extent_images,
           {.help = "neighbouring images that are read at once: 4 to 32 MiB are good",
            .bounds = from_to(1, 65536),
            .unit = "images",
            .when = {with_windows()}});
  data.add("window_extents", &DataConfig::window_extents,
           {.help = "extents shuffled together by each micro-batch stream; memory: up to twice as many",
            .bounds = from_to(1, 256),
            .unit = "extents",
            .when = {with_windows()}});
  data.add(
      "repeated_augmentation", &DataConfig::repeated_augmentation,
      {.help =
           "copies of an image in an epoch, each augmented anew and in another micro-batch; an epoch keeps "
           "its length and shows fewer images",
       .bounds = from_to(1, 64),
       .unit = "copies",
       .commands = kTraining});
}

void add_normalisation(std::vector<Option>& table) {
  const Section data(
      table, "data", kNormalising, [](auto& line) -> auto& { return line.config.data.normalisation; });
  data.add(
      "mean", &Normalisation::mean,
      {.help = "mean of the red, green and blue channel with which pixels between 0 and 1 are normalised; "
               "model.weights bring their own where they tell it",
       .when = {with_pixels()}},
      {"each 0 to 1", is_mean, of_bytes});
  data.add(
      "std", &Normalisation::deviation,
      {.help = "standard deviation of the red, green and blue channel, likewise", .when = {with_pixels()}},
      {"each 1e-6 to 1", is_deviation, of_bytes});
}

}  // namespace

void add_data_settings(std::vector<Option>& table) {
  const Section data(
      table, "data", kLoading, [](auto& line) -> auto& { return line.config.data; });
  data.add("train", &DataConfig::train,
           {.help = "images to train on: a pack's folder, tensor:FILE.safetensors or "
                    "synthetic:IMAGES,CLASSES,SIZE",
            .placeholder = "SOURCE",
            .required = true});
  data.add("val", &DataConfig::val,
           {.help = "images to evaluate on, in the same forms",
            .placeholder = "SOURCE",
            .absent = "none",
            .commands = kAsking});
  data.add("classes", &DataConfig::classes,
           {.help = "text file with a class a line, by wnid or name: only their images, labels in that order",
            .placeholder = "FILE",
            .absent = "all classes",
            .commands = kAskingOrLoading});
  data.add("stage_dir", &DataConfig::stage_dir,
           {.help = "folder on the node's own disk: data.train is copied there while the run reads it",
            .placeholder = "DIR",
            .absent = "nothing is copied",
            .when = {with_images()},
            .commands = kTraining});
  data.add("global_batch_size", &DataConfig::global_batch_size,
           {.help = "images per optimizer step over all ranks; a multiple of run.lanes",
            .bounds = from_to(1, 1 << 20),
            .unit = "images",
            .commands = kTraining});
  add_order_settings(data);
  data.add("workers", &DataConfig::workers,
           {.help = "threads of each rank that read and decode; no result depends on it",
            .bounds = from_to(1, 1024),
            .unit = "threads",
            .commands = kAskingOrLoading});
  data.add("prefetch_steps", &DataConfig::prefetch_steps,
           {.help = "how far ahead batches are made", .bounds = from_to(1, 64), .unit = "steps"});

  add_normalisation(table);

  const Section augment(
      table, "augment", kAugmenting, [](auto& line) -> auto& { return line.config.augment; });
  add_pixel_settings(augment);
  add_mixing_settings(augment);
}

}  // namespace vitrail::launcher
