// Verdicts on what ranks see of their machines: the world that they form, programs, processors, limits,
// clocks. Pure functions of facts by rank.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launcher/doctor/facts/machine.hpp"
#include "launcher/doctor/finding.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::launcher {

using Machines = std::vector<MachineFacts>;

std::vector<std::string> hosts_of(const Machines& ranks);  // by rank

// Threads of each rank, as the run's settings have them.
struct RankThreads {
  std::int64_t compute = 1, loaders = 0;
};

Finding check_tasks(const Machines& ranks, const Environment& environment);
Finding unjoined_tasks(const Error& error);  // what World says of tasks that are no ranks of one world
Finding check_programs(const Machines& ranks);
Finding check_instructions(const Machines& ranks);
Finding check_processors(const Machines& ranks, const std::optional<RankThreads>& threads);
Finding check_shared_memory(const Machines& ranks);
Finding check_locked_memory(const Machines& ranks);
Finding check_open_files(const Machines& ranks, std::uint64_t shards);  // shards: files of packs
Finding check_locale(const Machines& ranks);
Finding check_clocks(const Machines& ranks);

}  // namespace vitrail::launcher
