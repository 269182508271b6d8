// Child programs with the signals that belong to them. Each has its own process group, so that a Ctrl-C at
// the terminal reaches us alone; it is asked to end when we die. Throws: Error(io) when one cannot be
// started.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vitrail::launcher {

struct ChildEnd {
  int status = 0;              // its exit status, or 128 + the signal that ended it
  bool stopped_early = false;  // asked to stop before it listened: it died of the request, status 85
};

using Say = std::function<void(const std::string&)>;

// Runs words[0] with its arguments to its end. `errors` is given what it and its children write to stderr,
// from a thread of its own; without it that goes where ours goes. USR1, TERM, HUP and INT to this process
// reach the child as USR1 ("save and stop"); a second INT as TERM.
ChildEnd run_child(const std::vector<std::string>& words, const Say& say,
                   const std::function<void(const std::string& bytes)>& errors = {});

// One of many: what it prints is appended to a file.
struct ChildJob {
  std::vector<std::string> words;
  std::filesystem::path output;
};

// Runs what `next` gives, at most `at_once` at a time, until it gives nothing and all have ended; `ended` is
// told the number of the job, in the order of starting, and its status. The same signals reach all children,
// and none is started after them. True: asked to stop.
bool run_children(std::size_t at_once, const std::function<std::optional<ChildJob>()>& next,
                  const std::function<void(std::size_t job, int status)>& ended, const Say& say);

}  // namespace vitrail::launcher
