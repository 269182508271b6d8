// The GPUs of a rank's node as NVIDIA's management library (libnvidia-ml.so.1) tells them: loaded when asked,
// since it comes with the driver and a program must start without. Each fact that the library does not tell
// of a GPU is absent. Throws: PeerFailure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sharding/comm/communicator.hpp"

namespace vitrail::launcher {

struct GpuFacts {
  std::string name, uuid;                          // "NVIDIA H100 80GB HBM3"
  std::optional<int> compute_mode;                 // NVML's: 0 default, 2 prohibited, 3 exclusive process
  std::optional<bool> corrects_errors;             // ECC
  std::optional<std::uint64_t> uncorrected;        // errors of its memory since the driver was loaded
  std::optional<std::uint64_t> used_bytes, bytes;  // of its memory, by anybody
  std::vector<std::int64_t> others;                // processes that compute there, none of this world's
};

struct GpusOfRank {
  std::string host = {};
  bool library = false;             // it is there and answers
  std::string driver = {};          // "580.65.06"
  std::vector<GpuFacts> gpus = {};  // of the node: the library knows nothing of CUDA_VISIBLE_DEVICES
};

GpusOfRank gpus_here(const std::vector<std::int64_t>& own_processes);

// By rank. Collective; before any rank uses a GPU.
std::vector<GpusOfRank> gather_gpus(sharding::Communicator& ranks, const std::string& host);

}  // namespace vitrail::launcher
