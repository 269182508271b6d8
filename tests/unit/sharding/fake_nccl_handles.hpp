// NCCL and the part of CUDA that waits for it, without a GPU: linked in the place of the libraries, they
// answer as told here and note what they are asked for.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

namespace vitrail::tests {

struct FakeNccl {
  ncclResult_t state = ncclSuccess;  // of the communicator
  ncclResult_t send = ncclSuccess;
  cudaError_t event = cudaSuccess;
  int open_groups = 0, aborted = 0, finalized = 0, destroyed = 0;
};
extern FakeNccl nccl;  // the C functions have nowhere else to look

}  // namespace vitrail::tests
