#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include <unistd.h>

#include "launcher/options/flag_table.hpp"
#include "launcher/report/read_run.hpp"
#include "launcher/watch/glance.hpp"
#include "launcher/watch/live_line.hpp"
#include "launcher/watch/open_metrics.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

enum class WatchForm { text, json, openmetrics };

struct WatchFlags {
  double every = 2;
  bool once = false;
  WatchForm form = WatchForm::text;
  std::string output;
};

std::vector<Option> watch_options() {
  FlagTable<WatchFlags> flags;
  const Condition again{"once", "no --once",
                        [](const CommandLine& line) { return !line.own<WatchFlags>().once; }};
  flags.add("every", &WatchFlags::every,
            {.help = "between two looks", .bounds = from_to(0.1, 86400), .unit = "seconds", .when = {again}});
  flags.add("once", &WatchFlags::once, {.help = "look once, whatever the runs do"});
  flags.choice(
      "format", &WatchFlags::form,
      {{WatchForm::text, "text"}, {WatchForm::json, "json"}, {WatchForm::openmetrics, "openmetrics"}},
      {.help = "a line for each run, a JSON list, or what node_exporter's textfile collector reads",
       .placeholder = "FORM"});
  flags.add(
      "output", &WatchFlags::output,
      {.help = "file that is replaced at each look", .placeholder = "FILE", .absent = "standard output"});
  return flags.done();
}

// Of one run a line, of several a table.
std::string text_of(const std::vector<Glance>& glances, const WatchFlags& flags) {
  if (flags.form == WatchForm::json) return glances_json(glances);
  if (flags.form == WatchForm::openmetrics) return open_metrics(glances);
  if (glances.size() > 1) return glances_text(glances);
  return flags.output.empty() ? fitting(one_line(glances.front()), STDOUT_FILENO) + "\n"
                              : one_line(glances.front()) + "\n";
}

// On a terminal in the same place; elsewhere, in a log, what differs from the last look.
void show(const std::string& text, const std::string& before, bool in_place) {
  if (!in_place) {
    if (text != before) fmt::print("{}", text);
  } else if (std::count(text.begin(), text.end(), '\n') == 1) {
    fmt::print("\r\x1b[K{}", text.substr(0, text.size() - 1));
  } else {
    fmt::print("\x1b[H\x1b[2J{}", text);
  }
  std::fflush(stdout);
}

std::vector<Glance> look_at(const std::vector<std::string>& paths) {
  std::vector<Glance> glances;
  for (const NamedFolder& named : run_folders(paths)) {
    glances.push_back(glance_at(named.folder));
    glances.back().name = named.name;
  }
  return glances;
}

ExitCode run_watch(const CommandLine& line, const Environment&) {
  const auto& flags = line.own<WatchFlags>();
  const bool in_place = ::isatty(STDOUT_FILENO) == 1 && flags.form == WatchForm::text && !flags.once;
  std::string before;
  for (;;) {
    const std::vector<Glance> glances = look_at(line.arguments);
    const std::string text = text_of(glances, flags);
    if (flags.output.empty()) {
      show(text, before, in_place);
    } else if (text != before) {
      write_text_atomically(flags.output, text);
    }
    const bool last = flags.once || std::ranges::none_of(glances, &Glance::may_go_on);
    if (last && flags.output.empty() && in_place && glances.size() == 1) fmt::print("\n");
    if (last) return ExitCode::done;
    before = text;
    std::this_thread::sleep_for(std::chrono::duration<double>(flags.every));
  }
}

}  // namespace

Command watch_command() {
  return {
      .name = "watch",
      .usage = "RUN [RUN ...] [--every SECONDS]",
      .summary = "where runs are, their rate, and how long to the end and to the next checkpoint",
      .example = "vitrail watch runs/first",
      .least_arguments = 1,
      .most_arguments = 1000,
      .note = "\nFrom any machine that sees the folders, also of a sweep; until no run goes on any more.\n",
      .flags = WatchFlags(),
      .options = watch_options(),
      .run = run_watch};
}

}  // namespace vitrail::launcher
