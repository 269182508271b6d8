// A safetensors file under timm's tensor names as a checkpoint of step 0, the way back from export: of the
// same bits where nothing has to be changed to fit config.model. Throws: Error(bad_data) listing every tensor
// that does not fit; Error(io).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

// Reads config.model.weights; the checkpoint is written into `folder` and returned. `settings` are kept in
// it, so that it knows its model. `say` is told what was taken and what was changed.
std::filesystem::path import_weights(const Config& config, const std::map<std::string, std::string>& settings,
                                     const std::filesystem::path& folder,
                                     const std::function<void(const std::string&)>& say);

}  // namespace vitrail::trainer
