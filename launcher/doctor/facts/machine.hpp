// What each rank sees of its own machine and program: limits, processors, clocks, versions. Nothing is
// judged here (checks/machine.hpp). Throws: PeerFailure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launcher/ranks/environment.hpp"
#include "sharding/comm/communicator.hpp"

namespace vitrail::launcher {

struct MachineFacts {  // of one rank
  std::string host;
  std::map<std::string, std::string> programs;  // "MPI" -> "Open MPI v4.1.4"
  std::string instructions;                     // that LibTorch chose for the processor
  std::string mask;                             // of processors
  std::int64_t processors = 1;                  // by mask and quota
  std::optional<std::uint64_t> shared_free;     // bytes of /dev/shm; absent: it is not there
  std::optional<std::uint64_t> locked_most;     // bytes; absent: no limit
  std::optional<std::uint64_t> files_most;      // absent: no limit
  bool infiniband = false;
  std::string locale;  // as the variables ask for it
  bool locale_known = true;
  double clock_ahead_s = 0;  // of rank 0's
};

// Version, commit and libraries of the program that runs here.
std::map<std::string, std::string> programs_here();

// Of all ranks, by rank. Collective.
std::vector<MachineFacts> gather_machines(sharding::Communicator& ranks, const Environment& environment);

}  // namespace vitrail::launcher
