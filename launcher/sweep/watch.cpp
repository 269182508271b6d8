#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include <unistd.h>

#include "launcher/sweep/actions.hpp"
#include "launcher/sweep/table.hpp"

namespace vitrail::launcher {

// On a terminal the table stays in its place; elsewhere, in a log, each one that differs from the last.
void watch_sweep(const SweepFlags& flags, const Sweep& sweep) {
  const bool json = flags.format == OutputFormat::json;
  const bool terminal = ::isatty(STDOUT_FILENO) == 1 && !json;
  std::string before;
  for (;;) {
    const SweepResults results = read_results(sweep);
    std::string text = (json ? results_json : results_text)(sweep, results.tasks, flags.metric);
    if (!json) text += summary(results.tasks) + "\n";
    if (!json && results.queue_silent) text += "Slurm does not answer\n";
    if (terminal) {
      const std::string notice = sweep.notice.empty() ? "" : sweep.notice + "\n";
      fmt::print("\x1b[H\x1b[2J{}{}", text, notice);
    } else if (text != before) {
      fmt::print("{}", text);
    }
    std::fflush(stdout);
    if (std::ranges::all_of(results.tasks, &TaskResult::is_over)) return;
    before = text;
    std::this_thread::sleep_for(std::chrono::duration<double>(flags.watch.value_or(0)));
  }
}

}  // namespace vitrail::launcher
