// What `vitrail sweep` does beside showing: its tasks run here, as one task of an array, or are submitted.
// Throws: Error(refused) before the first task begins for what cannot end well; Error(usage), Error(io).
#pragma once

#include <string>
#include <vector>

#include "launcher/ranks/environment.hpp"
#include "launcher/sweep/results.hpp"

namespace vitrail::launcher {

void say_sweep(const std::string& text);
void show_results(const SweepFlags& flags, const Sweep& sweep, const SweepResults& results);
SweepResults results_of(const Sweep& sweep);  // read_results(), and says what cannot be known
const SweepRun& asked_task(const SweepFlags& flags, const Sweep& sweep);

// What `sweep run` would do; refuses what that would refuse. How far the tasks are.
ExitCode show_plan(const SweepFlags& flags, const Sweep& sweep);
ExitCode show_status(const SweepFlags& flags, const Sweep& sweep);

// Until all tasks have ended.
void watch_sweep(const SweepFlags& flags, const Sweep& sweep);

// The exit status is that of the first task that failed, else 85 where some are left, else
// 87 where one is diverged.
ExitCode run_tasks(const SweepFlags& flags, Sweep& sweep);
ExitCode run_task(const SweepFlags& flags, const Environment& environment, Sweep& sweep);

// The tasks that are not over, or that run somewhere else already, which is said; check_unchanged() of all.
std::vector<std::size_t> tasks_to_run(const SweepFlags& flags, const Sweep& sweep,
                                      const std::vector<TaskResult>& results);

ExitCode submit_sweep(const SweepFlags& flags, Sweep& sweep);

}  // namespace vitrail::launcher
