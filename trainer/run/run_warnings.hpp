// What slows a run down and is no error: ranks that share their micro-batches unevenly, more threads than
// processors, images that are not packed. One line with numbers each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

// Empty where they are shared evenly.
std::string uneven_lanes(std::int64_t lanes, std::int64_t ranks);

// What a pack would do for training on files as they lie; empty for other data.
std::string unpacked_data(const datasets::DataConfig& data);

struct RankShare {
  std::string host;
  std::string mask;        // of processors: ranks of a host with the same one share them
  std::int64_t count = 1;  // of processors, by mask and quota
};

// Either kind of thread may have all processors for itself: threads that load data wait most of the time
// where the model is large, and compute threads where it is small.
std::vector<std::string> crowded(const std::vector<RankShare>& ranks, std::int64_t threads,
                                 std::int64_t workers);

// All of them, the same on every rank. Collective.
std::vector<std::string> run_warnings(const Config& config, sharding::Communicator& communicator);

}  // namespace vitrail::trainer
