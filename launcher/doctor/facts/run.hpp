// What is already there of a run: its folder's state, and the weights that it begins with. Reads only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

struct RunWeights {
  std::string key = {}, path = {};  // "model.weights"
  bool there = false;
  std::string unfinished = {};  // "unfinished: step 20 of 5000"
  std::string refused = {};     // by the file system; empty: it is not, or there is none
};

struct RunFacts {
  std::filesystem::path folder;
  std::string refused;    // it is there and no folder, or cannot be read
  bool may_pass = false;  // refused by the file system
  bool finished = false;
  std::string progress;                // "step 20 of 5000"; empty: no checkpoint
  std::string owner;                   // who is using it now; empty: nobody
  std::uint64_t checkpoint_bytes = 0;  // that its checkpoints take
  std::vector<RunWeights> weights;
};

RunFacts look_at_run(const trainer::Config& config);

}  // namespace vitrail::launcher
