// What the ranks of a run say to each other. Every call is collective: all ranks make the same calls in the
// same order. Calls return when this rank's part is done, and what they read must be there when they begin.
// Counts and offsets are elements. Throws: PeerFailure when another rank has announced that it failed;
// Error(io) when the network refuses.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trainer/base/data_type.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::sharding {

// Another rank failed; its own message is on its way to the report, so this rank just stops.
class PeerFailure : public std::runtime_error {
 public:
  explicit PeerFailure(int peer) : std::runtime_error(fmt::format("rank {} failed", peer)), peer_(peer) {}
  int peer() const { return peer_; }

 private:
  int peer_;
};

// Elements [begin, begin + count) of a buffer, of one rank.
struct Segment {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

// `count` elements that go to a peer or come from it; those of a pair of ranks in the same order on both.
struct Outgoing {
  int to = 0;
  const std::byte* data = nullptr;
  std::int64_t count = 0;
};
struct Incoming {
  int from = 0;
  std::byte* data = nullptr;
  std::int64_t count = 0;
};

std::int64_t elements_of(std::span<const Outgoing> messages);
std::vector<Outgoing> to_all_others(const std::byte* data, std::int64_t count, int own, int ranks);
// What an all_gather in place receives: segments[p] of `buffer` from each rank p but the own one.
std::vector<Incoming> from_all_others(std::byte* buffer, std::span<const Segment> segments, int own,
                                      DataType type);

struct Traffic {
  std::int64_t elements_sent = 0;  // in exchange and all_gather
  double seconds_waited = 0;       // inside any call
};

enum class CallKind : std::uint8_t { exchange, all_gather, reduce_scatter, all_reduce, broadcast, barrier };

struct Call {
  CallKind kind = CallKind::barrier;
  std::int64_t bytes = 0;           // that this rank hands in
  std::span<std::byte> received{};  // what another rank's part will stand in, or a part of it; the host's
  bool returns_early = false;
};

// exchange, all_gather and reduce_scatter work on the memory of the run's device, in the order of
// Device::exchange(): they read what this stream has left there, and it finds what they received. The others
// work on the host's.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Between as many pairs of ranks as there are; a rank may have nothing to send or to receive. What is sent
  // and what is received may lie in one buffer, apart from each other.
  virtual void exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) = 0;
  // In place: segments[p] of `buffer` is rank p's contribution.
  virtual void all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) = 0;
  // `source`: size() chunks of `count` elements; `target` becomes the sum over ranks of chunk rank(), added
  // in an order of the library's. Throws Error(refused) for a type that the library cannot add.
  virtual void reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count,
                              DataType type) = 0;
  // Element-wise sum. Exact where all ranks but one contribute zero, which is how this program uses it.
  virtual void all_reduce_sum(std::span<double> values) = 0;
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual void barrier() = 0;

  // Calls that may run while this thread goes on; wait() returns when they and all before them are done.
  // Here: at once. What they use must live until then.
  using Ticket = std::uint64_t;
  using Calls = std::function<void(Communicator&)>;
  virtual Ticket post(const Calls& calls) {
    calls(*this);
    return 0;
  }
  virtual void wait(Ticket) {}
  // Returns when they are in the order of Device::exchange(), at the latest when they are done.
  virtual void wait_until_given(Ticket ticket) { wait(ticket); }
  // The longest wait in a call that begins from now on, where the communicator has a limit of its own: at
  // most that. 0: its own.
  virtual void limit_wait(std::chrono::milliseconds) {}
  // From any thread: what is being waited for, and all later calls, may end with PeerFailure.
  virtual void cancel() {}
  // For destructors of what posted calls work on: they end, here, before their memory goes. While an
  // exception is under way they are cancelled, because peers may never come.
  void settle(std::span<const Ticket> tickets) noexcept;

  virtual const Traffic& traffic() const { return traffic_; }

  // From now on calls on a device's memory may return when the device has been given them. Then somebody must
  // ask for progress again and again: that is when failures of others are seen.
  virtual void return_early() {}
  struct Progress {
    std::uint64_t given = 0, done = 0;  // calls on a device's memory, all so far
  };
  virtual Progress progress() { return {}; }  // throws what the calls would

  // For communicators around this one that do a part of the calls themselves: what these layers do around
  // their own calls, they do around `forward`.
  virtual void observe(const Call&, const std::function<void()>& forward) { forward(); }
  // Polls: a rank that has announced its failure, or this one after cancel().
  virtual std::optional<int> failed_peer() { return std::nullopt; }

 protected:
  Traffic traffic_;
};

}  // namespace vitrail::sharding
