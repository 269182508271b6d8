// Whether a run is under way, as far as its folder tells: its end, who owns it, the last event.
// Throws: Error(io); Error(bad_data) for events that nobody wrote so.
#pragma once

#include <string>

#include "trainer/checkpoint/run_directory.hpp"
#include "trainer/checkpoint/run_owner.hpp"

namespace vitrail::launcher {

// preempted: it was asked to stop and saved; interrupted: it ended without a word.
enum class RunState { waiting, running, preempted, interrupted, failed, finished };

RunState state_of(const trainer::RunDirectory& directory);
std::string name_of(RunState state);

// Of an owner on another machine its signs of life tell.
bool seems_alive(const trainer::LastOwner& owner);

}  // namespace vitrail::launcher
