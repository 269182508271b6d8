// A warp's products of small matrices on tensor cores, of fp16 or bf16 with sums in fp32 (sm_80 and later).
// Thread 4 g + c of a warp holds of A [16,16]: rows g, g + 8, columns 2 c, 2 c + 1 (a[0], a[1]) and 8 more
// (a[2], a[3]); of B [16,8]: column g, rows 2 c, 2 c + 1 (b[0]) and 8 more (b[1]); of D [16,8]: row g,
// columns 2 c, 2 c + 1, then row g + 8: as A holds half of its own. Two numbers lie in 32 bits. C++17, for
// nvcc.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace vitrail::models::cuda {

#ifdef __CUDACC__

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
#define VITRAIL_ON_TENSOR_CORES(instruction)                                                  \
  asm volatile(instruction " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};" \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                               \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#define VITRAIL_TRANSPOSED(to, x) \
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(to) : "r"(x))
#else  // nobody starts such kernels there
#define VITRAIL_ON_TENSOR_CORES(instruction) __trap()
#define VITRAIL_TRANSPOSED(to, x) __trap()
#endif

// d += a b
inline __device__ void multiply_add(__half, const unsigned (&a)[4], const unsigned (&b)[2], float (&d)[4]) {
  VITRAIL_ON_TENSOR_CORES("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
}
inline __device__ void multiply_add(__nv_bfloat16, const unsigned (&a)[4], const unsigned (&b)[2],
                                    float (&d)[4]) {
  VITRAIL_ON_TENSOR_CORES("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
}
// Of [8,8], thread 4 g + c holding row g, columns 2 c and 2 c + 1.
inline __device__ unsigned transposed(unsigned x) {
  unsigned to = 0;
  VITRAIL_TRANSPOSED(to, x);
  return to;
}

#undef VITRAIL_ON_TENSOR_CORES
#undef VITRAIL_TRANSPOSED

#else  // C++ compiles it: whoever does so brings these

void multiply_add(__half, const unsigned (&a)[4], const unsigned (&b)[2], float (&d)[4]);
void multiply_add(__nv_bfloat16, const unsigned (&a)[4], const unsigned (&b)[2], float (&d)[4]);
unsigned transposed(unsigned x);

#endif

}  // namespace vitrail::models::cuda
