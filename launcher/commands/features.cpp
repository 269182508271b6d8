#include "launcher/commands/asking/asked_weights.hpp"
#ifdef VITRAIL_TORCH
#include <nlohmann/json.hpp>

#include "launcher/ranks/world.hpp"
#include "trainer/evaluation/evaluate_weights.hpp"
#endif

namespace vitrail::launcher {
namespace {

struct FeaturesFlags : AskedWeights {
  std::string output;
};

std::vector<Option> features_options() {
  FlagTable<FeaturesFlags> flags;
  add_checkpoint(flags);
  flags.alias("data", "data.val",
              {.help = "images to look at; short for data.val", .placeholder = "SOURCE", .required = true});
  flags.add(
      "output", &FeaturesFlags::output,
      {.help = "safetensors file for `features` [images, width], in the order of the source, and `labels`",
       .placeholder = "FILE",
       .required = true});
  flags.config_files();
  flags.format(&FeaturesFlags::format);
  return flags.done();
}

// Features are of one picture of each image.
std::vector<std::string> features_settings() {
  std::vector<std::string> keys = settings_of_asking({"run.lanes", "sharding.timeout", "evaluate.features"});
  std::erase(keys, "evaluate.flip");
  std::erase(keys, "evaluate.crops");
  return keys;
}

#ifdef VITRAIL_TORCH
ExitCode run_features(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<FeaturesFlags>();
  World world(environment, line.config.sharding);
  return world.run("feature extraction", [&] {
    const auto say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
    const auto [images, width] = trainer::write_features(
        line.config, {flags.checkpoint, say, environment.gpus}, flags.output, world.communicator());
    if (world.communicator().rank() != 0) return ExitCode::done;
    if (flags.format == OutputFormat::json) {
      const nlohmann::ordered_json json = {{"images", images}, {"width", width}, {"output", flags.output}};
      fmt::print("{}\n", json.dump());
    } else {
      fmt::print("{}: features of {} images, {} numbers each\n", flags.output, images, width);
    }
    return ExitCode::done;
  });
}
#else
ExitCode run_features(const CommandLine& line, const Environment& environment) {
  return built_without_torch(line, environment);
}
#endif

}  // namespace

Command features_command() {
  return {
      .name = "features",
      .usage = "--data SOURCE --output FILE [--checkpoint DIR] [--section.key VALUE ...]",
      .summary = "what a network's body makes of images: features, before its head",
      .example = "vitrail features --checkpoint runs/quickstart --data packs/photos --output f.safetensors",
      .note = kCheckpointsOwn,
      .uses = these_settings(features_settings()),
      .flags = FeaturesFlags(),
      .options = features_options(),
      .stored = Stored::checkpoint,
      .take = refuse_two_weights<FeaturesFlags>,
      .config_in_use =
          [](const CommandLine& line) {
            trainer::Config config = config_of_asking<FeaturesFlags>(line);
            config.evaluation.protocol = trainer::Protocol::knn;  // which is made of features
            return config;
          },
      .check = [](const CommandLine& line) { require_weights<FeaturesFlags>(line, "compute with"); },
      .by_many = true,
      .run = run_features};
}

}  // namespace vitrail::launcher
