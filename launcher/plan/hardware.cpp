#include "launcher/plan/hardware.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "trainer/base/error.hpp"
#include "trainer/device/device_peak.hpp"

namespace vitrail::launcher {
namespace {

using trainer::Precision;

struct GpuRow {
  GpuKind kind;
  const char* option;
  const char* name;
  std::string_view called;  // by CUDA
  double memory_gb;
  trainer::DevicePeak peak;
  double memory_gb_per_s, node_gb_per_s, network_gb_per_s;
  const char* source;
};

// Node links: half of the data sheet's NVLink figure, which counts both directions. Network: of NVIDIA's own
// nodes of 8, DGX-1 with 4 ports of 100 Gbit/s, DGX A100 with 8 of 200, DGX H100 and H200 with 8 of 400.
constexpr const char* kVolta = "V100 data sheet (SXM2), DGX-1 data sheet";
constexpr const char* kAmpere = "A100 data sheet (SXM4), DGX A100 data sheet";
constexpr std::array<GpuRow, 6> kGpuRows = {{
    {GpuKind::v100_16, "v100-16", "V100 16 GB", "Tesla V100-SXM2-16GB", 16, trainer::kVoltaPeak, 900, 150,
     6.25, kVolta},
    {GpuKind::v100, "v100", "V100 32 GB", "Tesla V100-SXM2-32GB", 32, trainer::kVoltaPeak, 900, 150, 6.25,
     kVolta},
    {GpuKind::a100_40, "a100-40", "A100 40 GB", "NVIDIA A100-SXM4-40GB", 40, trainer::kAmperePeak, 1555, 300,
     25, kAmpere},
    {GpuKind::a100, "a100", "A100 80 GB", "NVIDIA A100-SXM4-80GB", 80, trainer::kAmperePeak, 2039, 300, 25,
     kAmpere},
    {GpuKind::h100, "h100", "H100 80 GB", "NVIDIA H100 80GB HBM3", 80, trainer::kHopperPeak, 3350, 450, 50,
     "H100 data sheet (SXM5), DGX H100 data sheet"},
    {GpuKind::h200, "h200", "H200 141 GB", "NVIDIA H200", 141, trainer::kHopperPeak, 4800, 450, 50,
     "H200 data sheet (SXM5), DGX H200 data sheet"},
}};

double tflops_of(const GpuRow& row, Precision precision) {
  if (const auto tflops = row.peak.tflops(precision)) return *tflops;
  throw Error(
      ExitCode::refused,
      fmt::format("precision.compute = bf16 with --gpu {}: it has no matrix products of bf16", row.option),
      "set precision.compute = fp16, or plan for another GPU");
}

}  // namespace

Hardware hardware_of(GpuKind kind, Precision precision) {
  const auto* row = std::ranges::find(kGpuRows, kind, &GpuRow::kind);
  if (row == kGpuRows.end()) return {.name = "a device by hand"};
  return {row->name,
          row->memory_gb,
          tflops_of(*row, precision),
          row->memory_gb_per_s,
          row->node_gb_per_s,
          row->network_gb_per_s,
          row->source};
}

std::optional<GpuKind> gpu_called(const std::string& device_name) {
  const auto* row = std::ranges::find(kGpuRows, std::string_view(device_name), &GpuRow::called);
  return row == kGpuRows.end() ? std::nullopt : std::optional(row->kind);
}

std::vector<std::pair<GpuKind, std::string>> gpu_names() {
  std::vector<std::pair<GpuKind, std::string>> names = {{GpuKind::by_hand, "by-hand"}};
  for (const GpuRow& row : kGpuRows) names.emplace_back(row.kind, row.option);
  return names;
}

}  // namespace vitrail::launcher
