// What NCCL does for GPUs, for devices that are late (lazy_device.hpp, late_gpu.hpp): calls on their memory
// are work of the exchange stream and return when it has been given to it. It is done when somebody waits for
// the stream, or has asked for progress often.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "sharding/comm/intercepted_communicator.hpp"

namespace vitrail::tests {

template <class LateDevice>
class LateCommunicator final : public sharding::InterceptedCommunicator {
 public:
  LateCommunicator(sharding::Communicator& inner, LateDevice& device)
      : InterceptedCommunicator(inner), device_(device) {}
  ~LateCommunicator() override { device_.exchange().finish(); }

  void exchange(std::span<const sharding::Outgoing> send, std::span<const sharding::Incoming> receive,
                DataType type) override {
    give([this, type, out = std::vector(send.begin(), send.end()),
          in = std::vector(receive.begin(), receive.end())]() mutable {
      for (sharding::Outgoing& message : out) message.data = device_.real(message.data);
      for (sharding::Incoming& message : in) message.data = device_.real(message.data);
      inner().exchange(out, in, type);
    });
  }
  void all_gather(std::byte* buffer, std::span<const sharding::Segment> segments, DataType type) override {
    give([this, type, buffer, all = std::vector(segments.begin(), segments.end())] {
      inner().all_gather(device_.real(buffer), all, type);
    });
  }
  void reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                      DataType type) override {
    give([=, this] { inner().reduce_scatter(device_.real(source), device_.real(target), count, type); });
  }
  Progress progress() override {
    constexpr int kOften = 100;
    if (given_ > done_ && ++asked_ % kOften == 0) device_.exchange().finish();
    return {given_, done_};
  }

 protected:
  void around(const sharding::Call&, const std::function<void()>& forward) override {
    device_.exchange().finish();
    forward();
  }

 private:
  void give(std::function<void()> call) {
    ++given_;
    device_.in_order_of_exchange([this, call = std::move(call)]() mutable {
      call();
      ++done_;
    });
  }

  LateDevice& device_;
  std::uint64_t given_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
  int asked_ = 0;
};

}  // namespace vitrail::tests
