#include "models/weights/position_resize.hpp"

#include <cmath>

#include <ATen/ATen.h>

namespace vitrail::models {

std::vector<double> resize_positions(std::span<const double> stored, std::int64_t tokens,
                                     std::int64_t wanted_tokens, std::int64_t width, PositionResize how) {
  const auto grid = static_cast<std::int64_t>(std::sqrt(static_cast<double>(wanted_tokens)));
  const std::int64_t leading = wanted_tokens - grid * grid;
  const auto old_grid = static_cast<std::int64_t>(std::sqrt(static_cast<double>(tokens - leading)));

  std::vector<float> values(stored.begin(), stored.end());  // computed in float, as they do
  const at::Tensor all = at::from_blob(values.data(), {tokens, width}, at::kFloat);
  const at::Tensor map = all.narrow(0, leading, old_grid * old_grid)
                             .view({1, old_grid, old_grid, width})
                             .permute({0, 3, 1, 2})
                             .contiguous();
  const at::Tensor resized = how == PositionResize::antialias
                                 ? at::_upsample_bicubic2d_aa(map, {grid, grid}, false)
                                 : at::upsample_bicubic2d(map, {grid, grid}, false);
  const at::Tensor patches = resized.permute({0, 2, 3, 1}).reshape({grid * grid, width}).contiguous();
  std::vector<double> result(stored.begin(), stored.begin() + leading * width);
  result.insert(result.end(), patches.const_data_ptr<float>(),
                patches.const_data_ptr<float>() + patches.numel());
  return result;
}

}  // namespace vitrail::models
