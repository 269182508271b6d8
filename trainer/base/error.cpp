#include "trainer/base/error.hpp"

#include <cerrno>
#include <system_error>

namespace vitrail {

Error io_error(const std::string& what, const std::string& path, int errno_value) {
  std::string hint;
  if (errno_value == ENOSPC || errno_value == EDQUOT)
    hint = "free space or raise the quota, then run the same command again";
  if (errno_value == EROFS) hint = "choose a folder that you may write to";
  if (errno_value == EACCES || errno_value == EPERM)
    hint = fmt::format("look who may do that with it, and with the folders above it: namei -l {}", path);
  return Error(ExitCode::io,
               fmt::format("{}: {}: {}", what, path, std::generic_category().message(errno_value)), hint);
}

}  // namespace vitrail
