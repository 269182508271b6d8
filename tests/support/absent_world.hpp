// A rank of a world whose other ranks are not there: calls return at once and bring nothing. For what depends
// on the place in a world only, such as memory.
#pragma once

#include "sharding/comm/communicator.hpp"

namespace vitrail::tests {

class AbsentWorld final : public sharding::Communicator {
 public:
  AbsentWorld(int size, int rank) : size_(size), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void exchange(std::span<const sharding::Outgoing>, std::span<const sharding::Incoming> receive,
                DataType type) override {
    for (const sharding::Incoming& message : receive) {  // what arrives takes memory
      std::fill_n(message.data, static_cast<std::size_t>(message.count) * size_of(type), std::byte{0});
    }
  }
  void all_gather(std::byte*, std::span<const sharding::Segment>, DataType) override {}
  void reduce_scatter(const std::byte*, std::byte* target, std::int64_t count, DataType type) override {
    std::fill_n(target, static_cast<std::size_t>(count) * size_of(type), std::byte{0});
  }
  void all_reduce_sum(std::span<double>) override {}
  void broadcast(std::span<std::byte>, int) override {}
  void barrier() override {}

 private:
  int size_, rank_;
};

}  // namespace vitrail::tests
