// A communicator whose calls run on a thread of their own, in the order in which they were posted, so that
// exchanges go on under computation. Every call goes through the one queue: ranks that post alike call alike.
// Throws: what the calls throw, at the wait for them and for all that come later.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "sharding/comm/intercepted_communicator.hpp"

namespace vitrail::sharding {

class CommunicationQueue final : public InterceptedCommunicator {
 public:
  explicit CommunicationQueue(Communicator& inner);
  // Waits for what was posted; when an exception is under way, cancels it instead: peers may never come.
  ~CommunicationQueue() override;
  CommunicationQueue(const CommunicationQueue&) = delete;
  CommunicationQueue& operator=(const CommunicationQueue&) = delete;

  Ticket post(const Calls& calls) override;
  void wait(Ticket ticket) override;
  const Traffic& traffic() const override { return traffic_; }

 protected:
  // Posted and waited for.
  void around(const Call&, const std::function<void()>& forward) override {
    wait(post([&](Communicator&) { forward(); }));
  }

 private:
  void work();

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
