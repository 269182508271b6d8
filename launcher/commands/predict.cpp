#include "launcher/commands/asking/asked_weights.hpp"
#ifdef VITRAIL_TORCH
#include <nlohmann/json.hpp>

#include "datasets/pack/pack_format.hpp"
#include "launcher/commands/asking/class_names.hpp"
#include "launcher/commands/asking/evaluation_listing.hpp"
#include "launcher/ranks/environment.hpp"
#include "trainer/evaluation/predict.hpp"
#endif

namespace vitrail::launcher {
namespace {

struct PredictFlags : AskedWeights {
  std::string output;  // empty: likeliest classes are printed
  std::int64_t top = 5;
  std::string names;  // a pack
};

std::vector<Option> predict_options() {
  const Condition without_output{"output", "no --output", [](const CommandLine& line) {
                                   return line.own<PredictFlags>().output.empty();
                                 }};
  FlagTable<PredictFlags> flags;
  add_checkpoint(flags);
  flags.alias(
      "data", "data.val",
      {.help = "images to look at: a pack's folder, folder:DIR, tensor:FILE.safetensors (labels are not "
               "needed) or synthetic:; short for data.val",
       .placeholder = "SOURCE",
       .required = true});
  flags.add("output", &PredictFlags::output,
            {.help = "safetensors file for `logits` [images, classes]",
             .placeholder = "FILE",
             .absent = "the likeliest classes are printed instead"});
  flags.add("top", &PredictFlags::top,
            {.help = "likeliest classes printed of each image",
             .bounds = from_to(1, 1e6),
             .when = {without_output}});
  flags.add("names", &PredictFlags::names,
            {.help = "pack whose classes have the names to print",
             .placeholder = "PACK",
             .absent = "the names in the checkpoint, else of --data, else numbers",
             .when = {without_output}});
  flags.config_files();
  flags.format(&PredictFlags::format);
  return flags.done();
}

#ifdef VITRAIL_TORCH
using Json = nlohmann::ordered_json;

ExitCode run_predict(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<PredictFlags>();
  const trainer::Config& config = line.config;
  const bool json = flags.format == OutputFormat::json;
  const bool into_file = !flags.output.empty();
  trainer::PredictionRequest request{.checkpoint = flags.checkpoint,
                                     .output = flags.output,
                                     .top = flags.top,
                                     .say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); },
                                     .gpus = environment.gpus};
  Json rows = Json::array();
  Json damaged = Json::array();
  Json used;
  request.take_damaged = [&](const std::string& image, const std::string& reason) {
    fmt::print(stderr, "not predicted: {}\n", reason);
    Json row = {{"image", image}, {"error", reason}};
    if (!into_file) row["used"] = used;
    (into_file ? damaged : rows).push_back(std::move(row));
  };
  request.take_used = [&](const trainer::UsedRecord& record) {
    used = json_of(record);
    if (!json && !into_file) fmt::print(stderr, "{}\n", describe(record));
  };
  std::optional<ClassNames> names;
  if (!into_file) {
    names.emplace(flags.names, flags.checkpoint, config);
    request.take = [&](const std::string& image, std::span<const trainer::Prediction> guesses) {
      Json row = {{"image", image}, {"top", Json::array()}, {"used", used}};
      std::string text = datasets::printable(image);
      for (const trainer::Prediction& guess : guesses) {
        const std::string name = (*names)[guess.label];
        row["top"].push_back({{"class", guess.label},
                              {"name", name},
                              {"logit", guess.logit},
                              {"probability", guess.probability}});
        text += fmt::format("  {} {:.4f}", name, guess.probability);
      }
      if (json) {
        rows.push_back(std::move(row));
      } else {
        fmt::print("{}\n", text);
      }
    };
  }
  const auto [images, bad] = trainer::predict(config, request);
  const ExitCode code = bad == 0 ? ExitCode::done : ExitCode::bad_data;
  if (bad > 0) {
    fmt::print(stderr, "{} of {} images could not be decoded{}\n", bad, images,
               into_file ? "; their logits are NaN" : "");
  }
  if (!into_file) {
    if (json) fmt::print("{}\n", rows.dump());
    return code;
  }
  if (json) {
    fmt::print("{}\n", Json({{"images", images},
                             {"damaged", damaged},
                             {"classes", config.model.classes},
                             {"output", flags.output},
                             {"used", used}})
                           .dump());
  } else {
    fmt::print(stderr, "{}: logits of {} images, {} classes\n", flags.output, images, config.model.classes);
  }
  return code;
}

#else
ExitCode run_predict(const CommandLine& line, const Environment& environment) {
  return built_without_torch(line, environment);
}
#endif

}  // namespace

Command predict_command() {
  return {.name = "predict",
          .usage = "--data SOURCE [--checkpoint DIR] [--output FILE] [--section.key VALUE ...]",
          .summary = "logits or likeliest classes of images in a pack, a folder or a tensor file",
          .example = "vitrail predict --checkpoint runs/quickstart/checkpoints/latest --data folder:photos",
          .note = kCheckpointsOwn,
          .uses = these_settings(settings_of_asking({})),
          .flags = PredictFlags(),
          .options = predict_options(),
          .stored = Stored::checkpoint,
          .take = refuse_two_weights<PredictFlags>,
          .config_in_use = config_of_asking<PredictFlags>,
          .check = [](const CommandLine& line) { require_weights<PredictFlags>(line, "ask"); },
          .run = run_predict};
}

}  // namespace vitrail::launcher
