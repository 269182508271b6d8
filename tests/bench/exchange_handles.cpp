#include "tests/bench/exchange_handles.hpp"

#include <stdexcept>

#include <mpi.h>

namespace vitrail::bench {
namespace {

void check(int status) {
  if (status != MPI_SUCCESS) throw std::runtime_error("MPI refused a collective");
}

}  // namespace

void reduce_scatter(const float* whole, float* own, std::int64_t elements) {
  check(MPI_Reduce_scatter_block(whole, own, static_cast<int>(elements), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD));
}

void all_gather(const float* own, float* whole, std::int64_t elements) {
  const auto count = static_cast<int>(elements);
  check(MPI_Allgather(own, count, MPI_FLOAT, whole, count, MPI_FLOAT, MPI_COMM_WORLD));
}

void barrier() { check(MPI_Barrier(MPI_COMM_WORLD)); }

}  // namespace vitrail::bench
