// Variants of the resize passes for x86-64. Null where the processor, or the one compiled for, has no such
// instructions.
#pragma once

#include "datasets/pixels/resize_kernels.hpp"

namespace vitrail::datasets {

const ResizeKernels* avx2_resize_kernels();
const ResizeKernels* avx512_resize_kernels();  // with AVX512-VNNI

}  // namespace vitrail::datasets
