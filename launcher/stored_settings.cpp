#include "launcher/stored_settings.hpp"

#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_manifest.hpp"

namespace vitrail::launcher {

CommandLine parse_with_stored_settings(const std::vector<std::string>& words) {
  // The first look only finds the checkpoint: what it names decides whether the line as a whole makes sense.
  const std::string checkpoint = checkpoint_to_build_on(words);
  if (checkpoint.empty()) return parse_command_line(words);
  const auto manifest = trainer::read_checkpoint_manifest(trainer::find_checkpoint(checkpoint));
  return parse_command_line(words, manifest.settings);
}

}  // namespace vitrail::launcher
