#include "launcher/cli/stored_settings.hpp"

#include <filesystem>
#include <optional>

#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"
#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/weights/weight_normalisation.hpp"

namespace vitrail::launcher {
namespace {

// Of the checkpoint that a run goes on from; nothing where it begins.
std::optional<SettingsMap> settings_of_run(const trainer::Config& config) {
  const std::string& resume = config.checkpoint.resume;
  auto found = trainer::list_checkpoints(trainer::run_directory(config.run).checkpoints());
  if (found.empty() && resume != "auto" && resume != "never") found = {trainer::find_checkpoint(resume)};
  for (const auto& checkpoint : found) {
    try {
      return trainer::read_checkpoint_manifest(checkpoint).settings;
    } catch (const Error&) {  // damaged: whoever resumes passes it over and says so
    }
  }
  return std::nullopt;
}

// What the weights that a line takes over were trained with. A run that goes on looks at them no more.
std::optional<Normalisation> normalisation_for(const CommandLine& line) {
  const std::string& weights = line.config.model.weights;
  if (weights.empty()) return std::nullopt;
  try {
    if (const auto run = line.command->stored == Stored::run ? settings_of_run(line.config) : std::nullopt)
      return trainer::normalisation_of(*run);
    const auto told = trainer::told_normalisation(weights, line.config.model.name);
    return told ? std::optional(told->values) : std::nullopt;
  } catch (const Error&) {  // whoever reads the weights or the checkpoint says what is wrong with it
    return std::nullopt;
  }
}

CommandLine parse_for_weights(const std::vector<std::string>& words) {
  CommandLine line = parse_command_line(words);
  const auto told = normalisation_for(line);
  if (!told || *told == Normalisation()) return line;
  return parse_command_line(words,
                            {{"data.mean", format(told->mean)}, {"data.std", format(told->deviation)}});
}

}  // namespace

CommandLine parse_with_stored_settings(const std::vector<std::string>& words) {
  const Command* command = words.empty() ? nullptr : find_command(words.front());
  if (command == nullptr || command->stored == Stored::nothing) return parse_command_line(words);
  // The first look only finds the checkpoint: what it names decides whether the line as a whole makes sense.
  const std::string checkpoint = command->stored == Stored::checkpoint ? flag_in(words, "checkpoint") : "";
  if (checkpoint.empty()) return parse_for_weights(words);
  const auto manifest = trainer::read_checkpoint_manifest(trainer::find_checkpoint(checkpoint));
  return parse_command_line(words, manifest.settings);
}

}  // namespace vitrail::launcher
