// The other side of exchange.cpp: MPI's own blocking collectives on MPI_COMM_WORLD, on floats, an equal part
// for each rank. Throws: std::runtime_error where MPI refuses.
#pragma once

#include <cstdint>

namespace vitrail::bench {

// `own` gets this rank's part of the sum over ranks of `whole`: `elements` floats of elements * ranks.
void reduce_scatter(const float* whole, float* own, std::int64_t elements);

// Part r of `whole` is rank r's `own`.
void all_gather(const float* own, float* whole, std::int64_t elements);

void barrier();

}  // namespace vitrail::bench
