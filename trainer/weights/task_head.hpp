// What follows a network's body where its task wants no classifier: thrown away by whoever takes the weights,
// unless it is what is asked for.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "models/model_config.hpp"
#include "models/parameter_spec.hpp"
#include "trainer/settings/settings.hpp"

namespace vitrail::trainer {

// Names of the parameters of such a head, of a run with these settings; none for one with a classifier.
// Throws: as task_head_of.
std::set<std::string> task_head(const SettingsMap& settings, const std::string& place);

// Of these, what a network with the parameters `wanted` has no place for: all of them, unless it has each,
// with rows as long. A probe's classifier counts here as such a head.
std::set<std::string> head_left_out(const SettingsMap& settings, const std::string& place,
                                    const models::ParameterSpecs& wanted);

// As find_checkpoint; a clone of somebody's repository is no run, and its file of weights is named.
std::filesystem::path checkpoint_in(const std::string& path);

enum class Asked { logits, features, projection };

// The head that answers where it is another than the model's classifier: of a probe, or, for projections, of
// embeddings. `weights`: a checkpoint or a file. Error(refused) for projections of weights without such a
// head.
std::optional<models::TaskHead> head_asked_for(const std::string& weights, Asked asked);

}  // namespace vitrail::trainer
