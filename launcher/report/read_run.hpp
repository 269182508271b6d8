// Runs' folders -> a Report: metrics.jsonl, events.jsonl, config.cfg, finished.json, the newest checkpoint's
// manifest and evaluation.json, as far as they are there. Nothing is written, and a run that goes on is not
// disturbed. Throws: Error(usage) for a path that leads to no run; Error(bad_data) naming file and line's
// beginning; Error(io).
#pragma once

#include <string>
#include <vector>

#include "launcher/report/report.hpp"

namespace vitrail::launcher {

struct NamedFolder {
  std::filesystem::path folder;
  std::string name;  // its last name, with as much of what stands before it as tells it from the others
};

// Of folders of a run, or of several runs (a sweep's), which are taken in the order of their names; a run
// that is named twice counts once.
std::vector<NamedFolder> run_folders(const std::vector<std::string>& paths);

RunReport read_run(const std::filesystem::path& folder);

Report read_report(const std::vector<std::string>& paths);

}  // namespace vitrail::launcher
