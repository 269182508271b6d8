#include "tests/unit/sharding/fake_nccl_handles.hpp"

namespace vitrail::tests {
FakeNccl nccl;
}

using vitrail::tests::nccl;

extern "C" {
ncclResult_t ncclGetVersion(int* version) { return *version = 22809, ncclSuccess; }
ncclResult_t ncclGetUniqueId(ncclUniqueId*) { return ncclSuccess; }
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int, ncclUniqueId, int, ncclConfig_t*) {
  *comm = reinterpret_cast<ncclComm_t>(&nccl);
  return ncclInProgress;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* state) {
  *state = nccl.state;
  return ncclSuccess;
}
ncclResult_t ncclGroupStart() { return ++nccl.open_groups, ncclSuccess; }
ncclResult_t ncclGroupEnd() { return --nccl.open_groups, ncclInProgress; }
ncclResult_t ncclSend(const void*, size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t) {
  return nccl.send;
}
ncclResult_t ncclRecv(void*, size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t) { return ncclSuccess; }
ncclResult_t ncclCommAbort(ncclComm_t) {
  nccl.aborted += nccl.open_groups == 0 ? 1 : 0;  // in a group it would happen at the group's end
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t) { return ++nccl.finalized, ncclInProgress; }
ncclResult_t ncclCommDestroy(ncclComm_t) { return ++nccl.destroyed, ncclSuccess; }
const char* ncclGetErrorString(ncclResult_t) { return "NCCL's error"; }
const char* ncclGetLastError(ncclComm_t) { return "its words"; }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned) { return cudaSuccess; }
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned) { return cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) { return nccl.event; }
const char* cudaGetErrorString(cudaError_t) { return "CUDA's error"; }
}
