#include "trainer/base/text/wall_time.hpp"

#include <chrono>
#include <cstdio>
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

std::optional<double> seconds_of_utc(const std::string& text) {
  std::tm parts{};
  double seconds = 0;
  char zone = 0;
  const int found = std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%lf%c", &parts.tm_year, &parts.tm_mon,
                                &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &seconds, &zone);
  if (found != 7 || zone != 'Z') return std::nullopt;
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return static_cast<double>(::timegm(&parts)) + seconds;
}

}  // namespace vitrail
