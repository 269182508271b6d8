// Forward and backward of the largest lane batch that a run will meet, before its first step: every branch is
// computed for as many images as stochastic depth ever keeps, so what does not fit fails here and not in the
// night. Changes nothing. Returns most_memory() of the run. Throws: Error(refused) when memory runs out.
#pragma once

#include "trainer/assembly.hpp"

namespace vitrail::trainer {

std::int64_t probe_memory(Assembly& run);

}  // namespace vitrail::trainer
