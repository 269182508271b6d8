// What the task of a configuration makes of its network.
#pragma once

#include <optional>

#include "models/model_config.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

bool learns_labels(TaskName task);  // a classifier of them
bool uses_labels(TaskName task);    // its loss knows of classes

// Evaluations ask for the labels of the nearest known images, and not for a classifier's answers.
bool judged_by_neighbours(const Config& config);

// The head that the task wants.
models::EmbeddingConfig embedding_of(const GrafitConfig& grafit);

// That is trained: model.*, ending as the task wants it.
models::ModelConfig network_of(const Config& config);

// The task learns from the average of the weights.
bool has_teacher(const Config& config);
// An average of the weights is kept: the teacher, or ema.decay's.
bool has_average(const Config& config);

}  // namespace vitrail::trainer
