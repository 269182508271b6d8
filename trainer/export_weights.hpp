// The weights of a checkpoint as one safetensors file under timm's tensor names, as float (double for an fp64
// run). Throws: Error(io).
#pragma once

#include <filesystem>

#include "trainer/checkpoint_reader.hpp"

namespace vitrail::trainer {

void export_weights(const CheckpointReader& checkpoint, const std::filesystem::path& file);

}  // namespace vitrail::trainer
