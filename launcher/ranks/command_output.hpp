// What a program prints, for programs that answer at once. Its stderr goes where ours goes.
#pragma once

#include <string>
#include <vector>

namespace vitrail::launcher {

struct CommandOutput {
  int status = 0;    // its exit status, 127 where there is no such program, 128 + the signal that ended it
  std::string text;  // all of its stdout
};

// `more`: for the shell that starts it, "2>&1".
CommandOutput output_of(const std::vector<std::string>& words, const std::string& more = "");

}  // namespace vitrail::launcher
