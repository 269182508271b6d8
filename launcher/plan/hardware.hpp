// What a device and the links around it can do at most: from data sheets, or numbers by hand.
// Units: GB = 10^9 bytes; links count one direction, of one device. Throws: Error(refused) for a type that
// the device has no matrix products of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainer/settings/config.hpp"

namespace vitrail::launcher {

enum class GpuKind { by_hand, v100_16, v100, a100_40, a100, h100, h200 };

struct Hardware {
  std::string name;
  double memory_gb = 0;
  double tflops = 0;  // dense matrix products of the compute type
  double memory_gb_per_s = 0;
  double node_gb_per_s = 0;     // to the other devices of its node
  double network_gb_per_s = 0;  // its share of what leads out of the node
  std::string source = {};      // of these figures; empty: by hand
};

Hardware hardware_of(GpuKind kind, trainer::Precision precision);  // by_hand: all zero

// By the name that CUDA gives a device, "NVIDIA H100 80GB HBM3". Absent: none of these.
std::optional<GpuKind> gpu_called(const std::string& device_name);

// Named on the command line, smallest first.
std::vector<std::pair<GpuKind, std::string>> gpu_names();

}  // namespace vitrail::launcher
