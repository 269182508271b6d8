// What `vitrail eval` prints: a line for all images, one for reassessed labels and a row for each class,
// where they were asked for; at the end what was used.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "trainer/evaluation/evaluate_weights.hpp"

namespace vitrail::launcher {

std::string evaluation_text(const trainer::Evaluated& evaluated);
// {images, top1, top5, loss, real: {images, top1, top5}, classes: [{class, images, top1, top5}], confusion:
// [[class, taken for, images]], used: {...}}
std::string evaluation_json(const trainer::Evaluated& evaluated);
// {weights, ema, step, planned_steps, weights_hash, data, data_fingerprint, date}: what a result was made
// from. Steps are null where no run tells them.
nlohmann::ordered_json json_of(const trainer::UsedRecord& used);

}  // namespace vitrail::launcher
