#include "trainer/base/text/progress.hpp"

#include <cmath>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace vitrail {

Progress::Progress(std::string what, std::string unit, std::uint64_t total, bool visible)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      total_(total),
      visible_(visible),
      terminal_(::isatty(STDERR_FILENO) == 1),
      begin_(std::chrono::steady_clock::now()),
      printed_(begin_) {}

Progress::~Progress() {
  if (visible_ && done_ > 0) print(true);
}

void Progress::add(std::uint64_t count, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  done_ += count;
  bytes_ += bytes;
  if (!visible_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - printed_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(10'000)))
    return;
  printed_ = now;
  print(false);
}

void Progress::print(bool last) {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  std::string line = fmt::format("{}: {}/{} {}, {:.0f} {}/s", what_, done_, total_, unit_, rate, unit_);
  if (bytes_ > 0 && seconds > 0)
    line += fmt::format(", {:.1f} MB/s", static_cast<double>(bytes_) / seconds / 1e6);
  if (last) {
    line += fmt::format(", {}", format_duration(seconds));
  } else if (rate > 0) {
    line += fmt::format(", ETA {}", format_duration(static_cast<double>(total_ - done_) / rate));
  }
  if (terminal_) {
    fmt::print(stderr, "\r\033[K{}{}", line, last ? "\n" : "");
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

std::string format_duration(double seconds) {
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  const auto s = static_cast<std::uint64_t>(std::llround(seconds));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {:02} h", s / 86400, s / 3600 % 24);
}

}  // namespace vitrail
