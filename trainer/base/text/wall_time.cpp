#include "trainer/base/text/wall_time.hpp"

#include <chrono>
#include <ctime>

#include <fmt/chrono.h>

namespace vitrail {

std::string local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  return fmt::format("{:%F %T}", parts);
}

std::string utc_time() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  const std::time_t seconds = milliseconds / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:%FT%T}.{:03}Z", parts, milliseconds % 1000);
}

}  // namespace vitrail
