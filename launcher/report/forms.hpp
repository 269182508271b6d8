// A Report in its forms; pure functions of it.
#pragma once

#include <string>

#include "launcher/report/report.hpp"

namespace vitrail::launcher {

// For a terminal: a line a run, what their settings differ in, their attempts and events.
std::string report_text(const Report& report);

// A line a step, then one for each evaluation, of all runs, quoted as in RFC 4180: run, step, epoch, seconds
// since the run began, attempt, what the metrics have, and eval.NAME for scores. Empty: not recorded.
std::string report_csv(const Report& report);

// One document (README.md has its keys), with at most so many points a curve. It holds no `<`: it may stand
// inside a page.
std::string report_json(const Report& report, std::size_t points);

// A page that needs nothing but itself.
std::string report_html(const Report& report, std::size_t points);

// Of a curve, unless said otherwise: fewer where there are many runs.
std::size_t usual_points(std::size_t runs);

}  // namespace vitrail::launcher
