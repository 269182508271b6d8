// What Slurm's queue holds of a sweep, asked once for all of its tasks: which array's task is which task of
// the sweep is noted in the sweep's folder, array-ID.json, when it is submitted.
// Throws: Error(io) for a note that cannot be written; a Slurm that is not there or does not answer knows
// nothing.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "launcher/sweep/runs.hpp"

namespace vitrail::launcher {

struct QueueEntry {
  std::string job;  // "12_3"
  std::string node;
  bool running = false, waiting = false;  // neither: it is ending
};

struct SweepQueue {
  bool asked = false, answered = false;
  std::map<std::string, QueueEntry> by_job;   // by the id that a job knows of itself
  std::map<std::string, QueueEntry> by_task;  // by the task's name
};

// `more_jobs`: ids of jobs that own tasks, whoever submitted them.
SweepQueue ask_queue(const std::filesystem::path& folder, const std::set<std::string>& more_jobs);

// Lines of `squeue --format=kQueueFormat`; anything else is passed over.
inline constexpr const char* kQueueFormat = "%A|%F|%K|%T|%N";
std::vector<std::pair<std::string, QueueEntry>> parse_queue(const std::string& text);  // by the job's own id

void note_array(const Sweep& sweep, const std::string& job, const std::vector<std::size_t>& tasks);

}  // namespace vitrail::launcher
