// A communicator around another one: every call passes through around(), which may count it, time it, hold it
// back, let it fail or run it on another thread. Throws: what the inner one throws.
#pragma once

#include <functional>

#include "sharding/comm/communicator.hpp"

namespace vitrail::sharding {

const char* name_of(CallKind kind);

class InterceptedCommunicator : public Communicator {
 public:
  explicit InterceptedCommunicator(Communicator& inner) : inner_(inner) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  const Traffic& traffic() const override { return inner_.traffic(); }
  void cancel() override { inner_.cancel(); }
  void limit_wait(std::chrono::milliseconds longest) override { inner_.limit_wait(longest); }
  std::optional<int> failed_peer() override { return inner_.failed_peer(); }
  void return_early() override { inner_.return_early(); }
  Progress progress() override { return inner_.progress(); }
  void observe(const Call& call, const std::function<void()>& forward) override {
    around(call, [&] { inner_.observe(call, forward); });
  }

  void exchange(std::span<const Outgoing> send, std::span<const Incoming> receive, DataType type) override;
  void all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) override;
  void reduce_scatter(const std::byte* source, std::byte* target, std::int64_t count, DataType type) override;
  void all_reduce_sum(std::span<double> values) override;
  void broadcast(std::span<std::byte> bytes, int root) override;
  void barrier() override;

 protected:
  // `forward` is the call to the inner communicator; the data of `call` live until this returns.
  virtual void around(const Call& call, const std::function<void()>& forward) = 0;

  Communicator& inner() { return inner_; }

 private:
  Communicator& inner_;
};

}  // namespace vitrail::sharding
