#include "launcher/report/run_state.hpp"

#include <nlohmann/json.hpp>

#include "trainer/checkpoint/finished_run.hpp"
#include "trainer/metrics_reader.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;
using Life = trainer::LastOwner::Life;

// Some signs of life, and what a network file system may keep from us.
constexpr std::chrono::seconds kSilence{90};

std::string last_kind(const fs::path& events) {
  std::string kind;
  if (!fs::exists(events)) return kind;
  trainer::MetricsReader(events).each([&](const nlohmann::json& event) { kind = event.value("kind", ""); });
  return kind;
}

}  // namespace

bool seems_alive(const trainer::LastOwner& owner) {
  return owner.life == Life::unknown ? owner.silent < kSilence : owner.life == Life::alive;
}

RunState state_of(const trainer::RunDirectory& directory) {
  const auto owner = trainer::last_owner(directory.owners());
  if (owner && seems_alive(*owner)) return RunState::running;
  if (trainer::read_finished(directory)) return RunState::finished;
  const std::string kind = last_kind(directory.events());
  if (kind == "stopped") return RunState::preempted;
  if (kind == "failed") return RunState::failed;
  return owner || fs::exists(directory.metrics()) ? RunState::interrupted : RunState::waiting;
}

std::string name_of(RunState state) {
  switch (state) {
    case RunState::waiting:
      return "waiting";
    case RunState::running:
      return "running";
    case RunState::preempted:
      return "preempted";
    case RunState::interrupted:
      return "interrupted";
    case RunState::failed:
      return "failed";
    case RunState::finished:
      break;
  }
  return "finished";
}

}  // namespace vitrail::launcher
