// What networks of tokens do beside matrix products, on the CPU: rows [R,D], contiguous. The calling thread
// computes all, in a fixed order; sums [D] over rows are added to. Compiled once per instruction set, so free
// of torch and of any other library.
#pragma once

#include <cstdint>

namespace vitrail::models {

struct RowsShape {
  std::int64_t rows, width;
};

template <class Number>
struct RowNorm {
  const Number *gain, *bias;  // [D]
  Number *mean, *rstd;        // [R]
};

template <class Number>
struct RowKernels {
  // LayerNorm; `kept`, unless null, is x.
  void (*norm)(RowsShape, const Number* x, const RowNorm<Number>&, double epsilon, Number* y, Number* kept);
  // Adds x's gradient to x_gradient.
  void (*norm_backward)(RowsShape, const Number* gradient, const Number* x, const RowNorm<Number>&,
                        Number* x_gradient, Number* gain_sum, Number* bias_sum);
  // out = sum + scale * gamma * y; gamma null: 1.
  void (*add)(RowsShape, const Number* sum, const Number* y, const Number* gamma, Number scale, Number* out);
  void (*add_backward)(RowsShape, const Number* gradient, const Number* y, const Number* gamma, Number scale,
                       Number* y_gradient, Number* gamma_sum);
};

struct GeluKernels {  // of x + bias; bias null: 0
  void (*forward)(RowsShape, const float* x, const float* bias, float* y);
  void (*backward)(RowsShape, const float* gradient, const float* x, const float* bias, float* x_gradient,
                   float* bias_sum);
};

struct RowKernelTable {
  RowKernels<float> single_precision;
  RowKernels<double> double_precision;
  GeluKernels gelu;
};

// One per instruction set; rows.cpp takes the widest that the processor has.
namespace baseline {
extern const RowKernelTable kRows;
}
namespace avx2 {
extern const RowKernelTable kRows;
}
namespace avx512 {
extern const RowKernelTable kRows;
}

}  // namespace vitrail::models
