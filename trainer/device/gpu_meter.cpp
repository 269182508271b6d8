#include "trainer/device/gpu_meter.hpp"

namespace vitrail::trainer {

GpuMeter::GpuMeter(const std::string& on_bus) {
  if (!library_.answers() || !library_.get("nvmlDeviceGetHandleByPciBusId_v2", on_bus.c_str(), &gpu_))
    gpu_ = nullptr;
}

GpuReading GpuMeter::read() const {
  GpuReading reading;
  if (gpu_ == nullptr) return reading;
  NvmlUtilization shares;
  unsigned milliwatts = 0;
  if (library_.get("nvmlDeviceGetUtilizationRates", gpu_, &shares)) reading.busy = shares.gpu / 100.0;
  if (library_.get("nvmlDeviceGetPowerUsage", gpu_, &milliwatts)) reading.watts = milliwatts / 1000.0;
  return reading;
}

}  // namespace vitrail::trainer
