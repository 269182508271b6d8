// A communicator whose calls run on a thread of their own, in the order in which they were posted, so that
// exchanges go on under computation. Every call goes through the one queue: ranks that post alike call alike.
// Throws: what the calls throw, at the wait for them and for all that come later.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "sharding/communicator.hpp"

namespace vitrail::sharding {

class CommunicationQueue final : public Communicator {
 public:
  explicit CommunicationQueue(Communicator& inner);
  // Waits for what was posted; when an exception is under way, cancels it instead: peers may never come.
  ~CommunicationQueue() override;
  CommunicationQueue(const CommunicationQueue&) = delete;
  CommunicationQueue& operator=(const CommunicationQueue&) = delete;

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  Ticket post(const Calls& calls) override;
  void wait(Ticket ticket) override;
  void cancel() override { inner_.cancel(); }

  // Posted and waited for.
  void all_to_all(const std::byte* source, std::span<const Segment> send, std::byte* target,
                  std::span<const Segment> receive, DataType type) override;
  void all_gather(std::byte* buffer, std::span<const Segment> segments, DataType type) override;
  void all_reduce_sum(std::span<double> values) override;
  void broadcast(std::span<std::byte> bytes, int root) override;
  void barrier() override;

 private:
  void work();

  Communicator& inner_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable posted_, done_;
  std::deque<Calls> waiting_;
  Ticket given_ = 0, finished_ = 0;
  std::exception_ptr failure_;
  Traffic inner_traffic_;  // as of the last finished call
  bool ending_ = false;
  const int exceptions_at_birth_ = std::uncaught_exceptions();
  std::thread thread_;  // last: uses the rest
};

}  // namespace vitrail::sharding
