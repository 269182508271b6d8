// The one exception type of the program: what went wrong, which exit code it means, and what the user can
// change.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace vitrail {

enum class ExitCode : int {
  done = 0,
  crash = 1,
  usage = 2,      // unknown or malformed option, flag or file
  bad_data = 65,  // a pack, image, checkpoint or weights file that is not what it says
  io = 74,        // the file system or the network refused
  refused = 78,   // valid options that cannot go together: never requeue
  saved = 85,     // checkpoint saved: requeue the job
  watchdog = 86,  // a rank hung or timed out
  diverged = 87,  // training diverged: the same settings would diverge again
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message, std::string hint = {})
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

  ExitCode code() const { return code_; }
  const std::string& hint() const { return hint_; }  // empty, or what to do next

  // The same, said to be of `place`: a setting, a file.
  Error in(std::string_view place) const { return {code_, fmt::format("{}: {}", place, what()), hint_}; }

 private:
  ExitCode code_;
  std::string hint_;
};

// Error(io) that ends with the operating system's own words for `errno_value`.
Error io_error(const std::string& what, const std::string& path, int errno_value);

}  // namespace vitrail
