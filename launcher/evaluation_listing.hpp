// What `vitrail eval` prints: a line for all images, one for reassessed labels and a row for each class,
// where they were asked for.
#pragma once

#include <string>

#include "trainer/metrics.hpp"

namespace vitrail::launcher {

std::string evaluation_text(const trainer::EvaluationMetrics& metrics);
// {images, top1, top5, loss, real: {images, top1, top5}, classes: [{class, images, top1, top5}]}
std::string evaluation_json(const trainer::EvaluationMetrics& metrics);

}  // namespace vitrail::launcher
