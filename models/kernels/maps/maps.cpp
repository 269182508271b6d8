#include "models/kernels/maps/maps.hpp"

#include <ATen/ATen.h>

namespace vitrail::models {

using at::Tensor;

const MapKernelTable& map_kernels() {
  if (__builtin_cpu_supports("avx512f")) return avx512::kMaps;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kMaps;
  return baseline::kMaps;
}

Tensor rows_of_map(const Tensor& map) {
  return (map.dim() == 4 ? map.permute({0, 2, 3, 1}) : map).contiguous();
}

Tensor map_of_rows(const Tensor& rows) { return rows.dim() == 4 ? rows.permute({0, 3, 1, 2}) : rows; }

}  // namespace vitrail::models
