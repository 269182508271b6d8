// A world of N ranks as threads of one process, for tests: run_world(N, f) calls f(communicator) on N
// threads. Throws what the lowest rank threw.
#pragma once

#include <algorithm>
#include <barrier>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/sum_kernels.hpp"

namespace vitrail::tests {

class ThreadWorld {
 public:
  explicit ThreadWorld(int ranks) : barrier(ranks), size(ranks), slots(static_cast<std::size_t>(ranks)) {}

  struct Slot {
    const std::byte* bytes = nullptr;
    std::span<const sharding::Outgoing> messages;
    std::vector<double> values;
  };
  std::barrier<> barrier;
  int size;
  std::vector<Slot> slots;  // by rank; written before a barrier, read after it
};

class ThreadCommunicator final : public sharding::Communicator {
 public:
  ThreadCommunicator(ThreadWorld& world, int rank) : world_(world), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return world_.size; }

  void exchange(std::span<const sharding::Outgoing> send, std::span<const sharding::Incoming> receive,
                DataType type) override {
    world_.slots[static_cast<std::size_t>(rank_)].messages = send;
    world_.barrier.arrive_and_wait();
    std::map<int, std::size_t> taken;  // by peer: of its messages
    for (const sharding::Incoming& message : receive) {
      const auto& slot = world_.slots[static_cast<std::size_t>(message.from)];
      std::size_t& next = taken[message.from];
      while (next < slot.messages.size() && slot.messages[next].to != rank_) ++next;
      if (next == slot.messages.size() || slot.messages[next].count != message.count) {
        throw Error(ExitCode::crash, fmt::format("exchange: ranks {} and {} differ", message.from, rank_));
      }
      const auto bytes = static_cast<std::size_t>(message.count) * size_of(type);
      if (bytes > 0) std::memcpy(message.data, slot.messages[next].data, bytes);
      ++next;
    }
    traffic_.elements_sent += sharding::elements_of(send);
    world_.barrier.arrive_and_wait();
  }

  void all_gather(std::byte* buffer, std::span<const sharding::Segment> segments, DataType type) override {
    publish(buffer);
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank_) continue;
      const auto& part = segments[static_cast<std::size_t>(peer)];
      copy(buffer, part.begin, world_.slots[static_cast<std::size_t>(peer)].bytes, part.begin, part.count,
           type);
    }
    traffic_.elements_sent += segments[static_cast<std::size_t>(rank_)].count * (size() - 1);
    world_.barrier.arrive_and_wait();
  }

  // From rank 0 up; f32 or f64.
  void reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                      DataType type) override {
    publish(source);
    const std::size_t bytes = static_cast<std::size_t>(count) * size_of(type);
    const std::size_t own = static_cast<std::size_t>(rank_) * bytes;
    std::memcpy(target, world_.slots[0].bytes + own, bytes);
    for (std::size_t peer = 1; peer < world_.slots.size(); ++peer) {
      sharding::add(type, target, world_.slots[peer].bytes + own, count, target);
    }
    traffic_.elements_sent += count * (size() - 1);
    world_.barrier.arrive_and_wait();
  }

  void all_reduce_sum(std::span<double> values) override {
    world_.slots[static_cast<std::size_t>(rank_)].values.assign(values.begin(), values.end());
    world_.barrier.arrive_and_wait();
    std::fill(values.begin(), values.end(), 0.0);
    for (const auto& slot : world_.slots) {
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += slot.values[i];
    }
    world_.barrier.arrive_and_wait();
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    publish(bytes.data());
    if (rank_ != root)
      std::memcpy(bytes.data(), world_.slots[static_cast<std::size_t>(root)].bytes, bytes.size());
    world_.barrier.arrive_and_wait();
  }

  void barrier() override { world_.barrier.arrive_and_wait(); }

 private:
  void publish(const std::byte* bytes) {
    world_.slots[static_cast<std::size_t>(rank_)].bytes = bytes;
    world_.barrier.arrive_and_wait();
  }
  static void copy(std::byte* to, std::int64_t to_begin, const std::byte* from, std::int64_t from_begin,
                   std::int64_t count, DataType type) {
    const auto size = static_cast<std::int64_t>(size_of(type));
    if (count > 0)
      std::memcpy(to + to_begin * size, from + from_begin * size, static_cast<std::size_t>(count * size));
  }

  ThreadWorld& world_;
  int rank_;
};

inline void run_world(int size, const std::function<void(sharding::Communicator&)>& f) {
  ThreadWorld world(size);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        ThreadCommunicator communicator(world, rank);
        f(communicator);
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
        world.barrier.arrive_and_drop();  // the others must not wait for this rank
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace vitrail::tests
