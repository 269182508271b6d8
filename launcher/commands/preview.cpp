#include "datasets/augment/preview.hpp"

#include "datasets/dataset.hpp"
#include "launcher/commands/asking/preview_plan.hpp"
#include "launcher/options/flag_table.hpp"

namespace vitrail::launcher {
namespace {

struct PreviewFlags {
  std::string output;
  std::int64_t samples = 8, draws = 8;
  OutputFormat format = OutputFormat::text;
};

bool is_preview_file(const std::string& path) {
  return path.ends_with(".jpg") || path.ends_with(".jpeg") || path.ends_with(".png") ||
         path.ends_with(".safetensors");
}

std::vector<Option> preview_options() {
  FlagTable<PreviewFlags> flags;
  flags.alias(
      "data", "data.train",
      {.help =
           "images to look at: a pack's folder; folder:DIR (a folder for each class, or images), images:DIR, "
           "wds:TARS (with labels or without), csv:LIST, flat:DIR,LABELS, inaturalist:JSON, "
           "idx:IMAGES,LABELS or "
           "synthetic:IMAGES,CLASSES,SIZE; short for data.train",
       .placeholder = "SOURCE",
       .required = true});
  flags.add(
      "output", &PreviewFlags::output,
      {.help = "a picture with a row for each image and a column for each draw (.jpg, .png), or the pixels "
               "as floats [draws, samples, 3, S, S] (.safetensors)",
       .placeholder = "FILE",
       .required = true},
      {"a name that ends with .jpg, .png or .safetensors", is_preview_file});
  flags.add("samples", &PreviewFlags::samples,
            {.help = "the first so many images", .bounds = from_to(1, 4096), .unit = "images"});
  flags.add(
      "draws", &PreviewFlags::draws,
      {.help = "how often each is drawn: its first epochs", .bounds = from_to(1, 4096), .unit = "epochs"});
  flags.config_files();
  flags.format(&PreviewFlags::format);
  return flags.done();
}

ExitCode run_preview(const CommandLine& line, const Environment&) {
  const auto& flags = line.own<PreviewFlags>();
  const trainer::Config& config = line.config;
  const auto dataset = datasets::open_shown(config.data.train, {.given_as = "--data"});
  for (const std::string& words : dataset->warnings()) fmt::print(stderr, "warning: {}\n", words);
  const datasets::Preview preview =
      datasets::make_preview(*dataset, preview_plan(config, flags.samples, flags.draws));
  datasets::write_preview(preview, flags.output);
  if (flags.format == OutputFormat::json) {
    fmt::print("{}\n", datasets::to_json(preview));
  } else {
    fmt::print("{}", datasets::to_text(preview));
    fmt::print(stderr, "{}: {} images, {} draws of each\n", flags.output, preview.samples.size(),
               flags.draws);
  }
  return ExitCode::done;
}

}  // namespace

Command preview_command() {
  return {
      .name = "preview",
      .usage = "--data SOURCE --output FILE [--config FILE ...] [--section.key VALUE ...]",
      .summary = "what a model will see of the first images, and every number that was drawn for it",
      .example = "vitrail preview --data packs/photos --output grid.jpg --augment.three_augment true",
      .uses = these_settings({"run.seed", "data.mean", "data.std", "augment.", "model.image_size",
                              "model.name", "model.patch", "task.name", "dino.local_views", "dino.local_size",
                              "dino.global_min_area", "dino.local_min_area", "dino.local_max_area",
                              "mae.masked", "grafit.instance_weight", "grafit.views"}),
      .flags = PreviewFlags(),
      .options = preview_options(),
      .run = run_preview};
}

}  // namespace vitrail::launcher
