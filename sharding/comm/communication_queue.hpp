// A communicator whose calls run on a thread of their own, in the order in which they were posted, so that
// exchanges go on under computation. Every call goes through the one queue: ranks that post alike call alike.
// Between calls the thread looks after those that a device is still at.
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
  void wait_until_given(Ticket ticket) override;
  const Traffic& traffic() const override { return traffic_; }

 protected:
  // Posted and waited for.
  void around(const Call&, const std::function<void()>& forward) override {
    wait(post([&](Communicator&) { forward(); }));
  }

 private:
  // Of which the device has not done all.
  struct Given {
    Ticket ticket;
    std::uint64_t device_calls;  // that the device has done when it is done
  };
  void work();
  void wait_for(const Ticket& reached, Ticket ticket);
  // Without the lock, while nobody has failed.
  void guarded(std::unique_lock<std::mutex>& lock, const std::function<void()>& calls);
  void look_after_given(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;  // guards what follows
  std::condition_variable posted_, done_;
  std::deque<Calls> waiting_;
  std::deque<Given> given_;
  Ticket last_posted_ = 0, last_given_ = 0, last_done_ = 0;
  std::exception_ptr failure_;
  Traffic inner_traffic_;  // as of the last finished call
  bool ending_ = false;
  const int exceptions_at_birth_ = std::uncaught_exceptions();
  std::thread thread_;  // last: uses the rest
};

}  // namespace vitrail::sharding
