#include "trainer/watch/operator_trace.hpp"

#include <map>
#include <set>

#include <torch/csrc/autograd/profiler_kineto.h>
#include <torch/csrc/profiler/stubs/base.h>

namespace vitrail::trainer {
namespace {

namespace profiler = torch::autograd::profiler;

const torch::profiler::impl::ProfilerStubs& outside() { return *torch::profiler::impl::cudaStubs(); }

}  // namespace

OperatorTrace::OperatorTrace(StepTrace& into, c10::Device device) : into_(into) {
  const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO);
  std::set<profiler::ActivityType> activities = {profiler::ActivityType::CPU};
  if (!device.is_cpu()) activities.insert(profiler::ActivityType::CUDA);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
}

OperatorTrace::~OperatorTrace() {
  const auto result = profiler::disableProfiler();
  const auto at = [&](std::uint64_t nanoseconds) {
    const std::chrono::system_clock::time_point wall{std::chrono::nanoseconds(nanoseconds)};
    return here_ + (wall - wall_);
  };
  std::map<std::uint64_t, std::int64_t> threads;
  for (const profiler::KinetoEvent& event : result->events()) {
    if (event.isHiddenEvent()) continue;
    using Kind = TraceTrack::Kind;
    TraceTrack track{Kind::stream, event.deviceResourceId()};
    if (event.deviceType() == c10::kCPU) {
      const auto next = static_cast<std::int64_t>(threads.size());
      track = {Kind::operators, threads.emplace(event.startThreadId(), next).first->second};
    }
    into_.add(event.name(), track, at(event.startNs()), at(event.endNs()));
  }
}

ProfilerRange::ProfilerRange(const std::string& name) : open_(outside().enabled()) {
  if (open_) outside().rangePush(name.c_str());
}

ProfilerRange::~ProfilerRange() {
  if (open_) outside().rangePop();
}

}  // namespace vitrail::trainer
