// A terminal's last line, drawn again and again while other lines go by above it: where a run is, its rate,
// how long it will take. Where stderr is no terminal it only passes words on.
#pragma once

#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

namespace vitrail::launcher {

class LiveLine {
 public:
  explicit LiveLine(std::filesystem::path run, std::chrono::milliseconds every = std::chrono::seconds(1));
  ~LiveLine();  // leaves no line behind
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  // To stderr, as it is; from any thread. The first words begin the line: a child has been started by then,
  // and the signals that the caller looks for are held.
  void say(const std::string& text);

 private:
  void begin();
  void draw();
  void erase();

  const std::filesystem::path run_;
  const std::chrono::milliseconds every_;
  const bool terminal_;
  std::mutex mutex_;
  bool drawn_ = false;
  bool at_line_start_ = true;  // of what others say
  std::jthread clock_;
};

// As much of a line as the terminal of this stream shows; all of it where it is none.
std::string fitting(const std::string& line, int stream);

}  // namespace vitrail::launcher
