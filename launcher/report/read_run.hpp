// Runs' folders -> a Report: metrics.jsonl, events.jsonl, config.cfg, finished.json, the newest checkpoint's
// manifest and evaluation.json, as far as they are there. Nothing is written, and a run that goes on is not
// disturbed. Throws: Error(usage) for a path that leads to no run; Error(bad_data) naming file and line's
// beginning; Error(io).
#pragma once

#include <string>
#include <vector>

#include "launcher/report/report.hpp"

namespace vitrail::launcher {

// A folder of a run, or one of several runs (a sweep's), which are taken in the order of their names.
std::vector<std::filesystem::path> run_folders(const std::string& path);

RunReport read_run(const std::filesystem::path& folder);

Report read_report(const std::vector<std::string>& paths);

}  // namespace vitrail::launcher
