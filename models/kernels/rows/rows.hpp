// Rows of tokens cut into parts, for threads and for sums: by the shape alone, so that bits do not depend on
// the number of threads. Rows [R,D], contiguous.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include "models/kernels/rows/row_kernels.hpp"

namespace vitrail::models {

const RowKernelTable& row_kernels();  // the widest that the processor has

template <class Number>
const RowKernels<Number>& row_kernels_of();
template <>
inline const RowKernels<float>& row_kernels_of() {
  return row_kernels().single_precision;
}
template <>
inline const RowKernels<double>& row_kernels_of() {
  return row_kernels().double_precision;
}

class RowParts {
 public:
  static constexpr std::int64_t kMostRows = 64;

  RowParts(std::int64_t rows, std::int64_t width) : rows_(rows), width_(width) {}

  std::int64_t count() const { return (rows_ + kMostRows - 1) / kMostRows; }
  std::int64_t first(std::int64_t part) const { return part * kMostRows; }
  RowsShape shape(std::int64_t part) const { return {std::min(kMostRows, rows_ - first(part)), width_}; }

  template <class Body>
  void each(Body body) const {
    at::parallel_for(0, count(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) body(part);
    });
  }

 private:
  std::int64_t rows_, width_;
};

// What parts add up [D], some of each.
template <class Number>
class PartSums {
 public:
  PartSums(std::int64_t parts, std::int64_t width, std::int64_t sums)
      : width_(width), sums_(sums), numbers_(static_cast<std::size_t>(parts * width * sums)) {}

  Number* of(std::int64_t part, std::int64_t which = 0) {
    return numbers_.data() + (part * sums_ + which) * width_;
  }
  // In the order of the parts.
  at::Tensor total(std::int64_t which, const at::TensorOptions& options) const;

 private:
  std::int64_t width_, sums_;
  std::vector<Number> numbers_;
};

at::Tensor affine_rows(const at::Tensor& x, const at::Tensor& gain,
                       const at::Tensor& bias);                       // gain * x + bias
at::Tensor biased_gelu(const at::Tensor& x, const at::Tensor& bias);  // gelu(x + bias); bias may be undefined

}  // namespace vitrail::models
