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
  void all_to_all(const std::byte*, std::span<const sharding::Segment>, std::byte* target,
                  std::span<const sharding::Segment> receive, DataType type) override {
    for (int peer = 0; peer < size_; ++peer) {  // what arrives takes memory
      if (peer == rank_) continue;
      const sharding::Segment& segment = receive[static_cast<std::size_t>(peer)];
      const auto bytes = static_cast<std::size_t>(segment.count) * size_of(type);
      std::fill_n(target + static_cast<std::size_t>(segment.begin) * size_of(type), bytes, std::byte{0});
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
