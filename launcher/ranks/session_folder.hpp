// Where Open MPI keeps its sockets and shared memory while ranks run. Throws: Error(io).
#pragma once

#include <string>

#include "launcher/ranks/environment.hpp"

namespace vitrail::launcher {

// A folder that nobody else has, until this goes. Left to itself an mpirun takes one that all of a user's
// share, and the last of them removes it, also while the next one begins: that one fails.
class SessionFolder {
 public:
  explicit SessionFolder(const TemporaryFolder& in);
  ~SessionFolder();
  SessionFolder(const SessionFolder&) = delete;
  SessionFolder& operator=(const SessionFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace vitrail::launcher
