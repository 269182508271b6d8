// A run as TensorBoard's event file: every step's numbers as scalars train/NAME, evaluations as eval/NAME,
// the settings as hyperparameters, pictures as attention/N and preview. Pure functions. The fields' numbers
// are those of TensorBoard's event.proto, summary.proto and of the hparams plugin's.
#pragma once

#include <string>

#include "launcher/report/report.hpp"

namespace vitrail::launcher {

// Of a run whose lines have no time, all is at 1970.
std::string event_file(const RunReport& run);

// The file's name: the same for the same run, so that a newer one takes its place.
std::string event_file_name(const RunReport& run);

}  // namespace vitrail::launcher
