#include "datasets/resize_x86.hpp"

namespace vitrail::datasets {
const ResizeKernels* avx512_resize_kernels() { return nullptr; }
}  // namespace vitrail::datasets
