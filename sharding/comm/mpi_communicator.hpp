// The communicator of ranks under an MPI launcher, for tensors in host memory. Every wait polls the failure
// channel. Throws also: Error(watchdog) when a call takes longer than `timeout` (0: no limit) and nobody has
// failed.
#pragma once

#include <atomic>
#include <chrono>

#include "sharding/agreement/failure_channel.hpp"
#include "sharding/comm/call_timeout.hpp"
#include "sharding/comm/communicator.hpp"
#include "sharding/comm/mpi_handles.hpp"

namespace vitrail::sharding {

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(FailureChannel& failures,
                           std::chrono::milliseconds timeout = std::chrono::minutes(10))
      : failures_(failures), timeout_(timeout) {}
  ~MpiCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) override;
  void all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) override;
  void reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count, DataType type) override;
  void all_reduce_sum(std::span<double> values) override;
  void broadcast(std::span<std::byte> bytes, int root) override;
  void barrier() override;
  void limit_wait(std::chrono::milliseconds longest) override { timeout_.limit(longest); }
  void cancel() override { cancelled_ = true; }
  std::optional<int> failed_peer() override { return cancelled_ ? rank_ : failures_.failed_peer(); }

 private:
  void complete(MpiRequest request, const char* call);

  FailureChannel& failures_;
  CallTimeout timeout_;
  MpiComm comm_;
  int rank_ = comm_.rank();
  int size_ = comm_.size();
  bool broken_ = false;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace vitrail::sharding
