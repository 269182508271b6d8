// What --print-schedule shows: learning rate, weight decay and drop-path rate over a run in at most some
// forty rows, evenly spaced, with the end of the warm-up and the last step; and what is easily overlooked in
// it.
#pragma once

#include <string>

#include "trainer/schedule.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

std::string schedule_text(const trainer::Config& config, const trainer::Schedule& schedule);
// {steps, steps_per_epoch, peak_lr, notes: [...], rows: [{epoch, step, lr, weight_decay, drop_path}]}
std::string schedule_json(const trainer::Config& config, const trainer::Schedule& schedule);

}  // namespace vitrail::launcher
