// What matrix products of a GPU reach at most, by its data sheet: halves on tensor cores without sparsity,
// fp32 without TF32, which training does not use, fp64 on vector units.
#pragma once

#include <optional>
#include <string>

#include "trainer/settings/config.hpp"

namespace vitrail::trainer {

struct DevicePeak {
  double half_tflops = 0, single_tflops = 0, double_tflops = 0;
  bool has_bf16 = true;

  std::optional<double> tflops(Precision precision) const;  // absent: it has no such products
};

inline constexpr DevicePeak kVoltaPeak{125, 15.7, 7.8, false};     // V100 data sheet (SXM2)
inline constexpr DevicePeak kAmperePeak{312, 19.5, 9.7, true};     // A100 data sheet (SXM4)
inline constexpr DevicePeak kHopperPeak{989.4, 66.9, 33.5, true};  // H100 and H200 data sheets (SXM5)

// By the name that CUDA gives a device, "NVIDIA H100 80GB HBM3". Absent: another one, or another form of one
// of these (PCIe), whose figures differ.
std::optional<DevicePeak> peak_of(const std::string& device_name);

}  // namespace vitrail::trainer
