#include "trainer/device/device_peak.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace vitrail::trainer {
namespace {

struct NamedPeak {
  std::string_view name;
  DevicePeak peak;
};

constexpr std::array<NamedPeak, 6> kPeaks = {{
    {"Tesla V100-SXM2-16GB", kVoltaPeak},
    {"Tesla V100-SXM2-32GB", kVoltaPeak},
    {"NVIDIA A100-SXM4-40GB", kAmperePeak},
    {"NVIDIA A100-SXM4-80GB", kAmperePeak},
    {"NVIDIA H100 80GB HBM3", kHopperPeak},
    {"NVIDIA H200", kHopperPeak},
}};

}  // namespace

std::optional<double> DevicePeak::tflops(Precision precision) const {
  switch (precision) {
    case Precision::fp64:
      return double_tflops;
    case Precision::fp32:
      return single_tflops;
    case Precision::bf16:
      if (!has_bf16) return std::nullopt;
      break;
    case Precision::fp16:
      break;
  }
  return half_tflops;
}

std::optional<DevicePeak> peak_of(const std::string& device_name) {
  const auto* found = std::ranges::find(kPeaks, std::string_view(device_name), &NamedPeak::name);
  return found == kPeaks.end() ? std::nullopt : std::optional(found->peak);
}

}  // namespace vitrail::trainer
