// What the links between ranks really carry: `vitrail doctor --links FILE` writes it, `vitrail plan
// --measured-links FILE` reads it. GB = 10^9 bytes, one direction of one rank, all ranks sending at once; a
// message is one between two ranks. Throws: Error(io); Error(bad_data) for a file that is something else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace vitrail::launcher {

struct MeasuredLinks {
  std::optional<double> node_gb_per_s, node_us;        // absent: no two ranks shared a node
  std::optional<double> network_gb_per_s, network_us;  // absent: there was one node
  std::string device = {};                             // what was measured: "CPU (AVX2), over MPI"
  std::int64_t ranks = 0, nodes = 0;
  std::string date = {};

  // Of a call: those that leave a node take longest.
  std::optional<double> message_us() const { return network_us ? network_us : node_us; }
};

std::string to_text(const MeasuredLinks& links);
MeasuredLinks read_links(const std::filesystem::path& file);

}  // namespace vitrail::launcher
