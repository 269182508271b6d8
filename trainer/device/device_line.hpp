// The first line of a run's log: what computes, how many of them, how they exchange. A pure function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vitrail::trainer {

struct DevicePlace {  // of one rank
  std::string host;
  std::string name;    // "CPU (AVX2)", "NVIDIA H100 80GB HBM3"
  std::string on_bus;  // which GPU of the host; empty: a CPU
};

// "device: CPU (AVX2), 2 ranks on 2 nodes, exchange over MPI". `exchange`: "over MPI"; empty: there is none.
std::string device_line(const std::vector<DevicePlace>& ranks, std::string_view exchange);

}  // namespace vitrail::trainer
