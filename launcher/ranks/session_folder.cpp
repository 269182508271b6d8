#include "launcher/ranks/session_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "trainer/base/error.hpp"

namespace vitrail::launcher {

SessionFolder::SessionFolder(const TemporaryFolder& in) : path_(in.path + "/vitrail-XXXXXX") {
  if (::mkdtemp(path_.data()) != nullptr) return;
  const Error reason =
      io_error(in.variable.empty() ? "temporary files" : in.variable + " (temporary files)", in.path, errno);
  throw Error(reason.code(), reason.what(),
              "MPI cannot start without a folder for its sockets: set TMPDIR to one that is there and can be "
              "written, on every node");
}

SessionFolder::~SessionFolder() {
  std::error_code left_to_the_system;
  std::filesystem::remove_all(path_, left_to_the_system);
}

}  // namespace vitrail::launcher
