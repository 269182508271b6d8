// How many images a run trains on. Throws: as opening data.train does, with --images as the way out.
#pragma once

#include <cstdint>

#include "launcher/cli/command_line.hpp"

namespace vitrail::launcher {

std::int64_t training_images(const CommandLine& line);  // --images, else those of data.train

}  // namespace vitrail::launcher
