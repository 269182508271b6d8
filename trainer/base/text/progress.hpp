// A progress line on stderr for long work: done/total, rate, ETA. On a terminal the line is redrawn; in a log
// file it is printed at most every ten seconds. Safe to call from several threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace vitrail {

class Progress {
 public:
  // `unit` is a plural noun ("images"). `visible` false prints nothing (ranks other than 0).
  Progress(std::string what, std::string unit, std::uint64_t total, bool visible = true);
  ~Progress();  // ends the line

  void add(std::uint64_t count, std::uint64_t bytes = 0);

 private:
  void print(bool last);

  std::string what_, unit_;
  std::uint64_t total_, done_ = 0, bytes_ = 0;
  bool visible_, terminal_;
  std::chrono::steady_clock::time_point begin_, printed_;
  std::mutex mutex_;
};

// "47 s", "12 min 05 s", "3 h 20 min", "4 d 03 h"
std::string format_duration(double seconds);

}  // namespace vitrail
