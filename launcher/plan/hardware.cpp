#include "launcher/plan/hardware.hpp"

#include <algorithm>
#include <array>

#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

using trainer::Precision;

struct GpuRow {
  GpuKind kind;
  const char* option;
  const char* name;
  double memory_gb, half_tflops, single_tflops, double_tflops;
  bool has_bf16;
  double memory_gb_per_s, node_gb_per_s, network_gb_per_s;
  const char* source;
};

// Halves: tensor cores, without sparsity. fp32: no TF32, which training does not use. fp64: vector units.
// Node links: half of the data sheet's NVLink figure, which counts both directions. Network: of NVIDIA's own
// nodes of 8, DGX-1 with 4 ports of 100 Gbit/s, DGX A100 with 8 of 200, DGX H100 and H200 with 8 of 400.
constexpr const char* kVolta = "V100 data sheet (SXM2), DGX-1 data sheet";
constexpr const char* kAmpere = "A100 data sheet (SXM4), DGX A100 data sheet";
constexpr std::array<GpuRow, 6> kGpuRows = {{
    {GpuKind::v100_16, "v100-16", "V100 16 GB", 16, 125, 15.7, 7.8, false, 900, 150, 6.25, kVolta},
    {GpuKind::v100, "v100", "V100 32 GB", 32, 125, 15.7, 7.8, false, 900, 150, 6.25, kVolta},
    {GpuKind::a100_40, "a100-40", "A100 40 GB", 40, 312, 19.5, 9.7, true, 1555, 300, 25, kAmpere},
    {GpuKind::a100, "a100", "A100 80 GB", 80, 312, 19.5, 9.7, true, 2039, 300, 25, kAmpere},
    {GpuKind::h100, "h100", "H100 80 GB", 80, 989.4, 66.9, 33.5, true, 3350, 450, 50,
     "H100 data sheet (SXM5), DGX H100 data sheet"},
    {GpuKind::h200, "h200", "H200 141 GB", 141, 989.4, 66.9, 33.5, true, 4800, 450, 50,
     "H200 data sheet (SXM5), DGX H200 data sheet"},
}};

double tflops_of(const GpuRow& row, Precision precision) {
  if (precision == Precision::fp64) return row.double_tflops;
  if (precision == Precision::fp32) return row.single_tflops;
  if (precision == Precision::bf16 && !row.has_bf16) {
    throw Error(
        ExitCode::refused,
        fmt::format("precision.compute = bf16 with --gpu {}: it has no matrix products of bf16", row.option),
        "set precision.compute = fp16, or plan for another GPU");
  }
  return row.half_tflops;
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

std::vector<std::pair<GpuKind, std::string>> gpu_names() {
  std::vector<std::pair<GpuKind, std::string>> names = {{GpuKind::by_hand, "by-hand"}};
  for (const GpuRow& row : kGpuRows) names.emplace_back(row.kind, row.option);
  return names;
}

}  // namespace vitrail::launcher
