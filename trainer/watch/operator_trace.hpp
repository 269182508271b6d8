// LibTorch's profiler over some steps: its operators, on the threads that ran them, and on a GPU kernels and
// copies, on their streams; added to the steps' trace. One at a time in a process; begins and ends on the
// thread that computes.
#pragma once

#include <chrono>

#include <c10/core/Device.h>

#include "trainer/watch/step_trace.hpp"

namespace vitrail::trainer {

class OperatorTrace {
 public:
  OperatorTrace(StepTrace& into, c10::Device device);
  ~OperatorTrace();  // adds what was seen
  OperatorTrace(const OperatorTrace&) = delete;
  OperatorTrace& operator=(const OperatorTrace&) = delete;

 private:
  StepTrace& into_;
  // The profiler tells wall time.
  const std::chrono::system_clock::time_point wall_ = std::chrono::system_clock::now();
  const StepTrace::Clock::time_point here_ = StepTrace::Clock::now();
};

// A named range of this thread for the profilers that look at a process with a GPU from outside (NVTX, by
// LibTorch); without one, nothing.
class ProfilerRange {
 public:
  explicit ProfilerRange(const std::string& name);
  ~ProfilerRange();
  ProfilerRange(const ProfilerRange&) = delete;
  ProfilerRange& operator=(const ProfilerRange&) = delete;

 private:
  bool open_;
};

// Both: a part of a step.
class StepPart {
 public:
  StepPart(StepTrace* trace, const std::string& name) : range_(name), span_(trace, name) {}

 private:
  ProfilerRange range_;
  StepTrace::Span span_;
};

}  // namespace vitrail::trainer
