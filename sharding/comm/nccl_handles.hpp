// The only raw NCCL calls: RAII of a non-blocking communicator, whose calls are under way until ready() has
// returned true. Throws: Error(io) with NCCL's own words for a status code.
#pragma once

#include <functional>
#include <string>

#include <nccl.h>

#include "trainer/base/data_type.hpp"

namespace vitrail::sharding {

std::string nccl_version();  // of the library that runs, "2.28.9"

ncclUniqueId new_nccl_id();

class NcclComm {
 public:
  NcclComm(const ncclUniqueId& id, int ranks, int rank, int gpu);  // under way: wait for ready()
  ~NcclComm();
  NcclComm(const NcclComm&) = delete;
  NcclComm& operator=(const NcclComm&) = delete;

  // The calls that `issue` makes, as one. Counts are elements, addresses the GPU's.
  void group(const std::function<void()>& issue) const;
  void send(const std::byte* from, std::int64_t count, DataType type, int to, cudaStream_t stream) const;
  void receive(std::byte* to, std::int64_t count, DataType type, int from, cudaStream_t stream) const;
  void all_gather(const std::byte* own, std::byte* all, std::int64_t count, DataType type,
                  cudaStream_t stream) const;
  void reduce_scatter(const std::byte* all, std::byte* own, std::int64_t count, DataType type,
                      cudaStream_t stream) const;

  bool ready() const;  // all calls so far have been given to their streams
  // After a failure, and the last call: ends what is under way, on the GPU too, without waiting for peers.
  void abort() noexcept;

 private:
  void check(ncclResult_t status, const char* call) const;

  int gpu_;
  ncclComm_t comm_ = nullptr;  // null: aborted
};

}  // namespace vitrail::sharding
