// How busy a GPU is just now and what it draws, by NVIDIA's management library; of a machine without, or of a
// part of a GPU (MIG), nothing is known.
#pragma once

#include <optional>
#include <string>

#include "trainer/device/nvml.hpp"

namespace vitrail::trainer {

struct GpuReading {
  std::optional<double> busy;   // share of the library's last period, up to a second, in which it computed
  std::optional<double> watts;  // mean over as long
};

class GpuMeter {
 public:
  explicit GpuMeter(const std::string& on_bus);  // "0000:65:00.0"

  GpuReading read() const;

 private:
  Nvml library_;
  Nvml::Gpu gpu_ = nullptr;
};

}  // namespace vitrail::trainer
