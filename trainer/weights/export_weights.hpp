// The weights of a checkpoint, or their average, as one safetensors file under timm's tensor names, as float
// (double for an fp64 run). Throws: Error(refused) where there is no average; Error(io).
#pragma once

#include <filesystem>

#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

void export_weights(const CheckpointReader& checkpoint, WeightsUsed which, const std::filesystem::path& file);

}  // namespace vitrail::trainer
