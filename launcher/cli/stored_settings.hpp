// A checkpoint knows the settings it was trained with: `vitrail eval` and `predict` need no --config beside
// it. Weights of others tell how images were normalised for them, where that is known. Throws: as
// parse_command_line; Error(bad_data) for a damaged manifest.
#pragma once

#include <string>
#include <vector>

#include "launcher/cli/command_line.hpp"

namespace vitrail::launcher {

// Parses the line; where it names a checkpoint to build on, settings that the line leaves out are the
// checkpoint's. Where it takes over model.weights, data.mean and data.std are theirs unless given; a run that
// goes on has its own.
CommandLine parse_with_stored_settings(const std::vector<std::string>& words);

}  // namespace vitrail::launcher
