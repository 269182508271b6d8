// For ranks whose devices cannot talk to each other, such as several on one GPU: what lies on the device goes
// through pinned host memory and the communicator inside. Throws: what the inner one and the device throw.
#pragma once

#include "sharding/comm/intercepted_communicator.hpp"
#include "sharding/device/buffer.hpp"

namespace vitrail::sharding {

class StagedCommunicator final : public InterceptedCommunicator {
 public:
  StagedCommunicator(Communicator& inner, Device& device)
      : InterceptedCommunicator(inner), stream_(device.exchange()), device_(device) {}

  void exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) override;
  void all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) override;
  void reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count, DataType type) override;

 protected:
  void around(const Call&, const std::function<void()>& forward) override { forward(); }

 private:
  std::byte* room(Buffer& buffer, std::size_t bytes);

  Stream& stream_;
  Device& device_;
  Buffer sent_, received_;  // pinned; as large as the largest call so far
};

}  // namespace vitrail::sharding
