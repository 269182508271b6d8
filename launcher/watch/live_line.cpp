#include "launcher/watch/live_line.hpp"

#include <condition_variable>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "launcher/watch/glance.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {

std::string fitting(const std::string& line, int stream) {
  winsize size{};
  if (::ioctl(stream, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return line;
  return line.substr(0, size.ws_col - 1U);
}

LiveLine::LiveLine(std::filesystem::path run, std::chrono::milliseconds every)
    : run_(std::move(run)), every_(every), terminal_(::isatty(STDERR_FILENO) == 1) {}

void LiveLine::begin() {
  clock_ = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, every_, [&] { return stop.stop_requested(); })) draw();
  });
}

LiveLine::~LiveLine() {
  if (clock_.joinable()) {
    clock_.request_stop();
    clock_.join();
  }
  erase();
}

void LiveLine::say(const std::string& text) {
  const std::lock_guard lock(mutex_);
  erase();
  std::fputs(text.c_str(), stderr);
  if (!text.empty()) at_line_start_ = text.ends_with('\n');
  if (terminal_ && !clock_.joinable()) begin();
}

// A run that has not begun yet, and files that are just being made, are no reason to say anything.
void LiveLine::draw() {
  std::string line;
  try {
    const Glance glance = glance_at(run_);
    if (glance.step == 0 || glance.state != RunState::running) return;
    line = one_line(glance);
  } catch (const Error&) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (!at_line_start_) return;
  std::fputs(fmt::format("\r\x1b[K{}", fitting(line, STDERR_FILENO)).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void LiveLine::erase() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

}  // namespace vitrail::launcher
