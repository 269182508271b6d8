// One child program with the signals that belong to it. The child has its own process group, so that a Ctrl-C
// at the terminal reaches us alone; it is asked to end when we die. Throws: Error(io) when it cannot be
// started.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace vitrail::launcher {

struct ChildEnd {
  int status = 0;              // its exit status, or 128 + the signal that ended it
  bool asked_to_stop = false;  // the last word to it was USR1
};

// Runs words[0] with its arguments to its end.
// USR1, TERM and INT to this process reach the child as USR1 ("save and stop"); a second INT as TERM.
ChildEnd run_child(const std::vector<std::string>& words, const std::function<void(const std::string&)>& say);

}  // namespace vitrail::launcher
