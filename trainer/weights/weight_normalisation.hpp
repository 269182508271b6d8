// How images were normalised for weights that are taken over: by the settings of the checkpoint, the file's
// own metadata, Hugging Face's config.json beside it, or timm's name of the model or of the file; never by a
// guess. Throws: Error(bad_data) where a file's metadata are no three numbers; what reading it throws.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "trainer/base/normalisation.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

struct ToldNormalisation {
  Normalisation values;
  std::string by;  // who says so: "the metadata of weights.safetensors"
};

// `weights`: a safetensors file, or a path that find_checkpoint takes. Nothing where nothing tells.
std::optional<ToldNormalisation> told_normalisation(const std::string& weights,
                                                    const std::string& model_name);

// What a run with these settings is normalised with; nothing for ready tensors, of which nobody knows it.
std::optional<Normalisation> normalisation_of(const std::map<std::string, std::string>& settings);

// An exported file's entries data.mean and data.std.
std::map<std::string, std::string> normalisation_metadata(const std::map<std::string, std::string>& settings);

// One line on what is used for `weights`, and whether that is what was told; empty where a checkpoint's own
// is used, or where images are ready tensors.
std::string normalisation_note(const Config& config, const std::string& weights);

}  // namespace vitrail::trainer
