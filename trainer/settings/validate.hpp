// Which settings cannot be honoured together. Pure: looks at nothing but the settings.
// Throws: Error(refused) naming the keys, their values and the change that would help.
#pragma once

#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

void validate(const Config& config);             // for training
void validate_evaluation(const Config& config);  // for evaluating alone

}  // namespace vitrail::trainer
