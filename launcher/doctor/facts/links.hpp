// What the links between ranks carry, measured pair by pair through the communicator that a run would use:
// on GPUs by NCCL, else over MPI. Calls are collective. Throws: PeerFailure.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/device.hpp"
#include "sharding/plan/topology.hpp"

namespace vitrail::launcher {

// Pairs that talk at the same time.
struct LinkRound {
  bool across = false;       // each of two nodes; else each on one node
  std::vector<int> partner;  // by rank; -1: it looks on
};

// In the rounds of a kind every two ranks of a node meet, and every two nodes: rank i of one with rank i of
// the other. Of more rounds than `most` of a kind some are left out, evenly. A pure function.
std::vector<LinkRound> link_rounds(const sharding::Topology& topology, std::size_t most = 15);

struct Link {
  int rank = 0, peer = 0;
  bool across = false;
  double message_s = 0;    // of a call with a few bytes, both ways at once
  double bytes_per_s = 0;  // one direction, both ways at once
};

struct LinkFacts {
  std::vector<Link> links;  // each pair once
  // Of all ranks' gradients, summed and given back to all: bytes of them, and seconds.
  std::optional<double> all_reduce_bytes, all_reduce_s;
};

// The same on all ranks; some seconds where links are slow.
LinkFacts measure_links(sharding::Communicator& ranks, sharding::Device& device,
                        const sharding::Topology& topology);

}  // namespace vitrail::launcher
