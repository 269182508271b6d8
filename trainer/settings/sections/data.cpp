#include <algorithm>

#include "datasets/subsets/sample_subset.hpp"
#include "trainer/settings/sections/conditions.hpp"
#include "trainer/settings/sections/sections.hpp"

namespace vitrail::trainer {
namespace {

using namespace datasets;

// Tensors are not normalised. What looks at one data set alone has it in both places; what imports weights
// looks at none yet.
SettingCondition with_pixels() {
  return {"", "images that are decoded (tensor: is used as it is)", [](const Config& config) {
            const auto decoded = [](const std::string& source) { return !source.starts_with("tensor:"); };
            const datasets::DataConfig& data = config.data;
            return decoded(data.train) || (!data.val.empty() && decoded(data.val));
          }};
}

std::string of_bytes(const ChannelValues& values) {
  const bool large = std::ranges::any_of(values, [](double value) { return value > 1; });
  return large ? "a pixel is meant between 0 and 1, not 0 and 255: divide by 255" : "";
}

SettingCondition with_windows() {
  return {"data.order", "data.order = window",
          [](const Config& config) { return config.data.order == Order::window; }};
}

template <class Reach>
void add_order(const Section<Reach>& data) {
  data.choice(
      "order", &DataConfig::order,
      {{Order::shuffled, "shuffled"}, {Order::window, "window"}, {Order::sequential, "sequential"}},
      Effect::identity,
      {.help = "a new permutation each epoch; large reads at random places, mixed in memory (window: for "
               "parallel file systems); or as the source has them"});
  data.add("extent_images", &DataConfig::extent_images, Effect::identity,
           {.help = "neighbouring images that are read at once: 4 to 32 MiB are good",
            .bounds = from_to(1, 65536),
            .unit = "images",
            .when = {with_windows()}});
  data.add("window_extents", &DataConfig::window_extents, Effect::identity,
           {.help = "extents shuffled together by each micro-batch stream; memory: up to twice as many",
            .bounds = from_to(1, 256),
            .unit = "extents",
            .when = {with_windows()}});
  data.add(
      "repeated_augmentation", &DataConfig::repeated_augmentation, Effect::identity,
      {.help =
           "copies of an image in an epoch, each augmented anew and in another micro-batch; an epoch keeps "
           "its length and shows fewer images",
       .bounds = from_to(1, 64),
       .unit = "copies"});
}

// Not identity either: the labels are part of the data's fingerprint.
void add_few_labels(std::vector<Setting>& table) {
  const Section data(
      table, "data", [](auto& config) -> auto& { return config.data; });
  data.add(
      "labels", &DataConfig::labels, Effect::result,
      {.help =
           "CSV of images and labels, as predict --output labels.csv writes it, instead of data.train's own; "
           "images that it does not list are left out",
       .placeholder = "FILE",
       .absent = "their own labels"});
  const Section subset(
      table, "data", [](auto& config) -> auto& { return config.data.subset; });
  subset.add(
      "subset", &SubsetOptions::part, Effect::identity,
      {.help =
           "part of data.train to learn from: 1% (of all), 25/class (images of each) or list:FILE (a name a "
           "line)",
       .placeholder = "PART",
       .absent = "all images"},
      {"PERCENT%, N/class or list:FILE",
       [](const std::string& text) { return text.empty() || is_subset(text); }});
  const SettingCondition with_subset{"data.subset", "data.subset",
                                     [](const Config& config) { return !config.data.subset.part.empty(); }};
  subset.add(
      "subset_balanced", &SubsetOptions::balanced, Effect::identity,
      {.help = "whether a percentage gives each class the same number of images, as far as it has them",
       .when = {with_subset}});
  subset.add("subset_seed", &SubsetOptions::seed, Effect::identity,
             {.help = "which images: a smaller part of a seed lies inside of a larger one",
              .bounds = from_to(0, 1e9),
              .when = {with_subset}});
}

void add_normalisation(std::vector<Setting>& table) {
  const Section data(
      table, "data", [](auto& config) -> auto& { return config.data.normalisation; });
  data.add(
      "mean", &Normalisation::mean, Effect::identity,
      {.help = "mean of the red, green and blue channel with which pixels between 0 and 1 are normalised; "
               "model.weights bring their own where they tell it",
       .when = {with_pixels()}},
      {"each 0 to 1", is_mean, of_bytes});
  data.add(
      "std", &Normalisation::deviation, Effect::identity,
      {.help = "standard deviation of the red, green and blue channel, likewise", .when = {with_pixels()}},
      {"each 1e-6 to 1", is_deviation, of_bytes});
}

}  // namespace

void add_data_settings(std::vector<Setting>& table) {
  const Section data(
      table, "data", [](auto& config) -> auto& { return config.data; });
  // Not identity: the same images may lie elsewhere. A run that goes on compares their fingerprints.
  data.add(
      "train", &DataConfig::train, Effect::result,
      {.help = "images to train on: a pack's folder; as they lie folder:DIR, images:DIR, wds:TARS, csv:LIST, "
               "flat:DIR,LABELS, inaturalist:JSON or idx:IMAGES,LABELS; tensor:FILE.safetensors or "
               "synthetic:IMAGES,CLASSES,SIZE",
       .placeholder = "SOURCE",
       .required = true});
  data.add("val", &DataConfig::val, Effect::result,
           {.help = "images to evaluate on, in the same forms", .placeholder = "SOURCE", .absent = "none"});
  data.add("classes", &DataConfig::classes, Effect::result,
           {.help = "text file with a class a line, by wnid or name: only their images, labels in that order",
            .placeholder = "FILE",
            .absent = "all classes"});
  data.add(
      "coarse", &DataConfig::coarse, Effect::result,
      {.help = "text file with a line CLASS,COARSE for each class, by wnid or name: the coarse classes are "
               "learned; neighbours and retrieval are judged by the classes themselves",
       .placeholder = "FILE",
       .absent = "the classes themselves",
       .when = {with_classes()}});
  add_few_labels(table);
  data.add("stage_dir", &DataConfig::stage_dir, Effect::place,
           {.help = "folder on the node's own disk: data.train is copied there while the run reads it",
            .placeholder = "DIR",
            .absent = "nothing is copied",
            .when = {with_images()}});
  data.add("global_batch_size", &DataConfig::global_batch_size, Effect::identity,
           {.help = "images per optimizer step over all ranks; a multiple of run.lanes",
            .bounds = from_to(1, 1 << 20),
            .unit = "images"});
  add_order(data);
  data.add("workers", &DataConfig::workers, Effect::speed,
           {.help = "threads of each rank that read and decode; no result depends on it",
            .bounds = from_to(1, 1024),
            .unit = "threads"});
  data.add("prefetch_steps", &DataConfig::prefetch_steps, Effect::speed,
           {.help = "how far ahead batches are made", .bounds = from_to(1, 64), .unit = "steps"});

  add_normalisation(table);
}

}  // namespace vitrail::trainer
