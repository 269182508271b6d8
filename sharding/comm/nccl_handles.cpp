#include "sharding/comm/nccl_handles.hpp"

#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "sharding/device/cuda_handles.hpp"

namespace vitrail::sharding {
namespace {

ncclDataType_t nccl_type(DataType type) {
  switch (type) {
    case DataType::f16:
      return ncclFloat16;
    case DataType::bf16:
      return ncclBfloat16;
    case DataType::f32:
      return ncclFloat32;
    case DataType::f64:
      return ncclFloat64;
    case DataType::i32:
      return ncclInt32;
    case DataType::i64:
      return ncclInt64;
    case DataType::u8:
    case DataType::boolean:
      return ncclUint8;
  }
  return ncclUint8;
}

Error failure(ncclResult_t status, const char* call, int gpu, const char* last) {
  const bool more = last != nullptr && *last != '\0';
  return {ExitCode::io,
          fmt::format("{} failed on GPU {}: {}{}{}", call, gpu, ncclGetErrorString(status), more ? ": " : "",
                      more ? last : ""),
          "NCCL_DEBUG=INFO says more; sharding.communicator = mpi goes without NCCL"};
}

}  // namespace

std::string nccl_version() {
  int code = 0;
  if (ncclGetVersion(&code) != ncclSuccess) return "unknown";
  const int major = code / 10'000, rest = code % 10'000;
  return fmt::format("{}.{}.{}", major, rest / 100, rest % 100);
}

ncclUniqueId new_nccl_id() {
  ncclUniqueId id{};
  if (const ncclResult_t status = ncclGetUniqueId(&id); status != ncclSuccess) {
    throw failure(status, "ncclGetUniqueId", 0, nullptr);
  }
  return id;
}

NcclComm::NcclComm(const ncclUniqueId& id, int ranks, int rank, int gpu) : gpu_(gpu) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  use_gpu(gpu);
  check(ncclCommInitRankConfig(&comm_, ranks, id, rank, &config), "ncclCommInitRankConfig");
}

// Orderly, which is collective, only in good times.
NcclComm::~NcclComm() {
  if (comm_ == nullptr) return;
  cudaSetDevice(gpu_);
  ncclResult_t state = ncclInternalError;
  if (std::uncaught_exceptions() == 0 && ncclCommFinalize(comm_) != ncclInternalError) {
    constexpr int kPolls = 50'000;
    state = ncclInProgress;
    for (int i = 0; i < kPolls && state == ncclInProgress; ++i) {
      if (ncclCommGetAsyncError(comm_, &state) != ncclSuccess) break;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  state == ncclSuccess ? ncclCommDestroy(comm_) : ncclCommAbort(comm_);
}

void NcclComm::abort() noexcept {
  if (comm_ == nullptr) return;
  cudaSetDevice(gpu_);
  ncclCommAbort(std::exchange(comm_, nullptr));
}

void NcclComm::check(ncclResult_t status, const char* call) const {
  if (status == ncclSuccess || status == ncclInProgress) return;
  throw failure(status, call, gpu_, comm_ == nullptr ? nullptr : ncclGetLastError(comm_));
}

bool NcclComm::ready() const {
  ncclResult_t state = ncclSuccess;
  check(ncclCommGetAsyncError(comm_, &state), "ncclCommGetAsyncError");
  check(state, "a call that NCCL had under way");
  return state != ncclInProgress;
}

void NcclComm::group(const std::function<void()>& issue) const {
  check(ncclGroupStart(), "ncclGroupStart");
  try {
    issue();
  } catch (...) {
    ncclGroupEnd();  // else the thread's next calls, an abort too, would only be added to the group
    throw;
  }
  check(ncclGroupEnd(), "ncclGroupEnd");
}

void NcclComm::send(const std::byte* from, std::int64_t count, DataType type, int to,
                    cudaStream_t stream) const {
  check(ncclSend(from, static_cast<std::size_t>(count), nccl_type(type), to, comm_, stream), "ncclSend");
}

void NcclComm::receive(std::byte* to, std::int64_t count, DataType type, int from,
                       cudaStream_t stream) const {
  check(ncclRecv(to, static_cast<std::size_t>(count), nccl_type(type), from, comm_, stream), "ncclRecv");
}

void NcclComm::all_gather(const std::byte* own, std::byte* all, std::int64_t count, DataType type,
                          cudaStream_t stream) const {
  check(ncclAllGather(own, all, static_cast<std::size_t>(count), nccl_type(type), comm_, stream),
        "ncclAllGather");
}

void NcclComm::reduce_scatter(const std::byte* all, std::byte* own, std::int64_t count, DataType type,
                              cudaStream_t stream) const {
  check(ncclReduceScatter(all, own, static_cast<std::size_t>(count), nccl_type(type), ncclSum, comm_, stream),
        "ncclReduceScatter");
}

}  // namespace vitrail::sharding
