// How many images a run trains on. Throws: as opening data.train does, with --images as the way out.
#pragma once

#include <cstdint>
#include <optional>

#include "datasets/data_config.hpp"

namespace vitrail::launcher {

std::int64_t training_images(const datasets::DataConfig& data, const std::optional<std::int64_t>& images);

}  // namespace vitrail::launcher
