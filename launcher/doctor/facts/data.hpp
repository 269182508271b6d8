// A run's data as its ranks find it: whether it opens (a pack's index by its hash, all shards by their
// sizes), and how fast ranks read and decode it, all at the same time. Collective. Throws: PeerFailure; what
// is wrong with the data is a fact.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "trainer/open_data.hpp"
#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

struct DataRate {  // of one rank
  std::string host;
  double images_per_s = 0, images_per_core_s = 0, bytes_per_s = 0, read_share = 0;
};

struct DataFacts {
  std::string key = {}, source = {};    // "data.train"
  std::string refused = {}, hint = {};  // in the words of who opened it; empty: nothing is wrong
  std::int64_t images = 0, classes = 0;
  std::optional<std::uint64_t> shards = {};    // of a pack
  std::vector<std::string> fingerprints = {};  // by rank
  std::vector<DataRate> rates = {};            // empty: not measured
  bool may_pass = false;                       // refused by the file system, not for what is there
};

// `of_run`: images have to have the labels that a run with these settings looks at. `seconds`: of each of the
// two measurements; 0: none. `key`: as open_together.
DataFacts look_at_data(sharding::Communicator& ranks, const std::string& host, const trainer::Config& config,
                       trainer::DataUse use, bool of_run, double seconds,
                       const std::string& key = "data.val");

}  // namespace vitrail::launcher
