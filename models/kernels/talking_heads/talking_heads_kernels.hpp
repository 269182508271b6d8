// What talking-heads attention does beside its matrix products, on the CPU, for a block of queries: maps
// [H,R,T] (heads, queries of the block, keys), contiguous. The calling thread computes all, in a fixed order.
// Compiled once per instruction set, so free of torch and of any other library.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vitrail::models {

constexpr std::int64_t kMaxTalkingHeads = 32;

template <class Number>
struct HeadMixing {
  std::int64_t heads;
  const Number *logits_weight, *logits_bias;    // [H,H], [H]: before the softmax, the logits' scale included
  const Number *weights_weight, *weights_bias;  // after it
};

struct BlockShape {
  std::int64_t queries, keys;
};

// Gradients summed over blocks. Without logits_bias, whose gradient is zero: the softmax takes no notice of
// what is added to all logits of a query.
struct HeadMixingSums {
  double *logits_weight, *weights_weight, *weights_bias;
};

template <class Number>
struct TalkingHeadsKernels {
  // maps: logits -> mixed probabilities, in place. row_stats [R,2,H]: maximum, and 1 / sum of exponentials.
  void (*forward)(const HeadMixing<Number>&, BlockShape, Number* maps, Number* row_stats);
  // The same from row_stats, which also gives the probabilities before they are mixed.
  void (*recompute)(const HeadMixing<Number>&, BlockShape, const Number* logits, const Number* row_stats,
                    Number* probabilities, Number* mixed);
  // gradient: of the mixed probabilities -> of the logits, in place; adds to sums.
  void (*backward)(const HeadMixing<Number>&, BlockShape, const Number* logits, const Number* probabilities,
                   Number* gradient, const HeadMixingSums& sums, std::byte* scratch);
  std::size_t scratch_bytes;  // of backward, aligned to 64 bytes
};

struct TalkingHeadsTable {
  TalkingHeadsKernels<float> single_precision;
  TalkingHeadsKernels<double> double_precision;
};

// One per instruction set; talking_heads_cpu.cpp takes the widest that the processor has.
namespace baseline {
extern const TalkingHeadsTable kTalkingHeads;
}
namespace avx2 {
extern const TalkingHeadsTable kTalkingHeads;
}
namespace avx512 {
extern const TalkingHeadsTable kTalkingHeads;
}

}  // namespace vitrail::models
