// What is done to maps beside convolutions, on the CPU: rows [R,C] of a pixel's channels, contiguous. The
// calling thread computes all, in a fixed order: each channel's sums from the first row to the last.
// Compiled once per instruction set, so free of torch and of any other library.
#pragma once

#include <cstdint>

namespace vitrail::models {

struct MapRows {
  std::int64_t rows, channels;
};

template <class Number>
struct MapOfImage {  // x [N,N,C] -> y [N,N,C], 3x3, one pixel of zeros around
  std::int64_t side, channels;
  const Number *x, *y_gradient;
};

// y is null where nothing was rectified, and where nothing joined the normed: x says there what was.
template <class Number>
struct NormedMap {
  const Number *x, *y, *y_gradient;
  const Number* mean;           // [C]
  const Number *scale, *shift;  // [C] of a normed map that was rectified; null elsewhere
};

template <class Number>
struct MapKernels {
  // mean [C] of the rows, and the sum of their squared distances from it.
  void (*moments)(MapRows, const Number* x, Number* mean, Number* squares);
  // y = scale * x + shift, plus `added` unless null, negative ones 0 where rectified.
  void (*normalize)(MapRows, const Number* x, const Number* scale, const Number* shift, const Number* added,
                    bool rectified, Number* y);
  // sums [C] over rows of the gradient before it was rectified, and of it times x - mean; where y is known
  // it is written to `before`.
  void (*gradient_sums)(MapRows, const NormedMap<Number>&, Number* sums, Number* products, Number* before);
  // x_gradient = of_gradient * that + of_distance * (x - mean) + constant, all [C]; y is not looked at.
  void (*gradient)(MapRows, const NormedMap<Number>&, const Number* of_gradient, const Number* of_distance,
                   const Number* constant, Number* x_gradient);
  // [9,C]: of a depthwise convolution's weight, by tap.
  void (*depthwise_weight_gradient)(const MapOfImage<Number>&, Number* weight_gradient);
};

struct MapKernelTable {
  MapKernels<float> single_precision;
  MapKernels<double> double_precision;
};

// One per instruction set; maps.cpp takes the widest that the processor has.
namespace baseline {
extern const MapKernelTable kMaps;
}
namespace avx2 {
extern const MapKernelTable kMaps;
}
namespace avx512 {
extern const MapKernelTable kMaps;
}

}  // namespace vitrail::models
