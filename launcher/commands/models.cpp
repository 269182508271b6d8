#include <nlohmann/json.hpp>

#include "launcher/options/flag_table.hpp"
#include "models/families/catalogue.hpp"

namespace vitrail::launcher {
namespace {

struct ModelsFlags {
  std::string model;  // empty: all of them
  OutputFormat format = OutputFormat::text;
};

std::vector<Option> models_options() {
  FlagTable<ModelsFlags> flags;
  flags.add("model", &ModelsFlags::model,
            {.help = "only this one", .placeholder = "NAME", .absent = "all of them"});
  flags.config_files();
  flags.format(&ModelsFlags::format);
  return flags.done();
}

// One model as asked for, or every model; of these, one that the given numbers do not fit is left out and
// named.
std::vector<models::ModelSummary> asked_models(const models::ModelConfig& asked) {
  std::vector<models::ModelSummary> rows;
  models::ModelConfig config = asked;
  if (!config.name.empty()) return {models::describe_model(config)};
  for (const std::string& name : models::known_models()) {
    try {
      config.name = name;
      rows.push_back(models::describe_model(config));
    } catch (const Error& e) {
      fmt::print(stderr, "{}: left out: {}\n", name, e.what());
    }
  }
  return rows;
}

std::string listing_json(const std::vector<models::ModelSummary>& rows) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const models::ModelSummary& m : rows) {
    json.push_back({{"name", m.name},
                    {"params", m.params},
                    {"macs", m.macs},
                    {"tokens", m.tokens},
                    {"image_size", m.image_size},
                    {"classes", m.classes},
                    {"activation_bytes", m.activation_bytes}});
  }
  return json.dump() + "\n";
}

std::string table_of(const std::vector<models::ModelSummary>& rows) {
  std::string text = fmt::format("{:<24} {:>12} {:>10} {:>8} {:>6} {:>8} {:>14}\n", "model", "params",
                                 "GMACs", "tokens", "px", "classes", "activations");
  for (const models::ModelSummary& m : rows) {
    text += fmt::format("{:<24} {:>12} {:>10.3f} {:>8} {:>6} {:>8} {:>10.1f} MiB\n", m.name, m.params,
                        static_cast<double>(m.macs) / 1e9, m.tokens, m.image_size, m.classes,
                        static_cast<double>(m.activation_bytes) / (1 << 20));
  }
  return text;
}

// --model stands in the place of model.name, which brings an image size.
void take_model(CommandLine& line) { line.config.model.name = line.own<ModelsFlags>().model; }

ExitCode run_models(const CommandLine& line, const Environment&) {
  const auto rows = asked_models(line.config.model);
  fmt::print("{}",
             line.own<ModelsFlags>().format == OutputFormat::json ? listing_json(rows) : table_of(rows));
  return ExitCode::done;
}

}  // namespace

Command models_command() {
  return {.name = "models",
          .usage = "[--model NAME] [options]",
          .summary = "the models: parameters, multiply-accumulates, tokens, activation bytes",
          .example = "vitrail models --model vit_b16 --model.image_size 384",
          .uses = these_settings({"model.image_size", "model.classes", "model.patch", "model.width",
                                  "model.depth", "model.heads", "model.parallel", "model.drop_path",
                                  "model.drop_path_law", "model.activation_checkpointing"}),
          .flags = ModelsFlags(),
          .options = models_options(),
          .take = take_model,
          .run = run_models};
}

}  // namespace vitrail::launcher
