// What talking-heads attention does beside its matrix products, on a GPU, for a block of images and queries:
// maps [N,H,R,T] (images, heads, queries of the block, keys), contiguous in device memory, computed in fp32
// whatever they are stored in. Nothing is summed atomically. All is put on a stream; the caller asks CUDA for
// launch errors.
#pragma once

#include <cstdint>

#include "models/kernels/stored_type.hpp"

struct CUstream_st;

namespace vitrail::models::cuda {

constexpr int kMaxHeads = 16;

struct HeadMixing {  // in device memory
  int heads;         // at most kMaxHeads
  const float *logits_weight, *logits_bias, *weights_weight, *weights_bias;
};

struct Maps {
  StoredType type;
  std::int64_t images, queries, keys;
};

// maps: scaled logits -> mixed probabilities, in place. row_stats [N,R,2,H]: maximum, and 1 / sum of
// exponentials.
void launch_forward(const HeadMixing& mixing, const Maps& shape, void* maps, float* row_stats,
                    CUstream_st* stream);

// The same from row_stats, which also gives the probabilities before they are mixed.
void launch_recompute(const HeadMixing& mixing, const Maps& shape, const void* logits, const float* row_stats,
                      void* probabilities, void* mixed, CUstream_st* stream);

// probabilities -> gradient of the mixed logits; gradient: of the mixed probabilities -> of the logits; both
// in place.
void launch_backward(const HeadMixing& mixing, const Maps& shape, void* probabilities, void* gradient,
                     CUstream_st* stream);

}  // namespace vitrail::models::cuda
