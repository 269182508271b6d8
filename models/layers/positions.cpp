#include "models/layers/positions.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/ATen.h>

namespace vitrail::models {
namespace {

constexpr double kA = -0.75;  // of the cubic, as PyTorch's bicubic has it
constexpr double kExtra = 0.1;

double near(double x) { return ((kA + 2) * x - (kA + 3)) * x * x + 1; }         // |x| <= 1
double far(double x) { return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA; }  // 1 < |x| <= 2

// [side, from]: what each place of the grid has of each of the old one.
at::Tensor interpolation(std::int64_t from, std::int64_t side) {
  at::Tensor matrix = at::zeros({side, from}, at::kDouble);
  auto* const values = matrix.mutable_data_ptr<double>();
  const double scale = static_cast<double>(from) / (static_cast<double>(side) + kExtra);
  for (std::int64_t i = 0; i < side; ++i) {
    const double place = scale * (static_cast<double>(i) + 0.5) - 0.5;
    const double floor = std::floor(place), t = place - floor;
    const std::array<double, 4> shares = {far(t + 1), near(t), near(1 - t), far(2 - t)};
    for (std::int64_t k = 0; k < 4; ++k) {
      const std::int64_t column =
          std::clamp<std::int64_t>(static_cast<std::int64_t>(floor) - 1 + k, 0, from - 1);
      values[i * from + column] += shares[static_cast<std::size_t>(k)];
    }
  }
  return matrix;
}

}  // namespace

at::Tensor positions_on(const at::Tensor& position, std::int64_t leading, std::int64_t side) {
  const auto patches = static_cast<double>(position.size(1) - leading);
  const auto from = static_cast<std::int64_t>(std::lround(std::sqrt(patches)));
  if (from == side) return position;
  const std::int64_t width = position.size(2);
  const at::Tensor matrix = interpolation(from, side).to(position.device(), position.scalar_type());
  const at::Tensor rows = at::mm(matrix, position.slice(1, leading).reshape({from, from * width}));
  const at::Tensor both = at::matmul(matrix, rows.view({side, from, width}));
  return at::cat({position.slice(1, 0, leading), both.reshape({1, side * side, width})}, 1);
}

}  // namespace vitrail::models
