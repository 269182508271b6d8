#include "launcher/options/flag_table.hpp"
#include "trainer/settings/settings.hpp"
#ifdef VITRAIL_TORCH
#include "trainer/weights/import_weights.hpp"
#endif

namespace vitrail::launcher {
namespace {

struct ImportFlags {
  std::string output;  // a folder
};

std::vector<Option> import_options() {
  FlagTable<ImportFlags> flags;
  flags.add("output", &ImportFlags::output,
            {.help = "folder for the checkpoint, step-00000000", .placeholder = "DIR", .required = true});
  flags.config_files();
  return flags.done();
}

// Conditions look at what is there: no images yet.
trainer::Config config_of_import(const CommandLine& line) {
  trainer::Config config = line.config;
  config.data.train.clear();
  return config;
}

void require_file(const CommandLine& line) {
  if (line.config.model.weights.empty())
    throw Error(ExitCode::usage, "command line: `vitrail import` needs --model.weights FILE: what to read");
}

#ifdef VITRAIL_TORCH
ExitCode run_import(const CommandLine& line, const Environment&) {
  const auto say = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
  const auto checkpoint =
      trainer::import_weights(line.config, resolved_settings(line), line.own<ImportFlags>().output, say);
  fmt::print("{}\n", checkpoint.string());
  return ExitCode::done;
}
#else
ExitCode run_import(const CommandLine& line, const Environment& environment) {
  return built_without_torch(line, environment);
}
#endif

std::vector<std::string> settings_of_import() {
  std::vector<std::string> keys = trainer::network_keys();
  keys.insert(keys.end(), {"data.mean", "data.std", "model.image_size", "model.classes", "model.weights",
                           "model.position_resize"});
  return keys;
}

}  // namespace

Command import_command() {
  return {
      .name = "import",
      .usage = "--model.name NAME --model.weights FILE --output DIR",
      .summary = "read safetensors under timm's tensor names into a checkpoint",
      .example = "vitrail import --model.name vit_b16 --model.weights vit_b16.safetensors --output imported",
      .uses = these_settings(settings_of_import()),
      .flags = ImportFlags(),
      .options = import_options(),
      .stored = Stored::weights,
      .config_in_use = config_of_import,
      .check = require_file,
      .run = run_import};
}

}  // namespace vitrail::launcher
