// Forward and backward of the largest lane batch that a run will meet, before its first step: every branch is
// computed for as many images as stochastic depth ever keeps, so what does not fit fails here and not in the
// night. Changes nothing. Returns most_memory(). Throws: Error(refused) when memory runs out.
#pragma once

#include "trainer/assembly.hpp"

namespace vitrail::trainer {

std::int64_t rehearse(Assembly& run);

// Bytes that this rank ever held: on a CPU the process, on a GPU what LibTorch reserved and, beside it, the
// sums and the state, which are no tensors of LibTorch's.
std::int64_t most_memory(const Assembly& run);

}  // namespace vitrail::trainer
