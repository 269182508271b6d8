#include "sharding/comm/communication_queue.hpp"

#include <chrono>
#include <utility>

namespace vitrail::sharding {

CommunicationQueue::CommunicationQueue(Communicator& inner)
    : InterceptedCommunicator(inner), thread_([this] { work(); }) {}

CommunicationQueue::~CommunicationQueue() {
  if (std::uncaught_exceptions() > exceptions_at_birth_) cancel();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  posted_.notify_one();
  thread_.join();
}

void CommunicationQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    posted_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Calls calls = std::move(waiting_.front());
    waiting_.pop_front();
    if (!failure_) {  // after a failure nobody answers any more
      lock.unlock();
      std::exception_ptr failure;
      try {
        calls(inner());
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      failure_ = failure;
      inner_traffic_ = inner().traffic();
    }
    ++finished_;
    done_.notify_all();
  }
}

Communicator::Ticket CommunicationQueue::post(const Calls& calls) {
  Ticket ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(calls);
    ticket = ++given_;
  }
  posted_.notify_one();
  return ticket;
}

void CommunicationQueue::wait(Ticket ticket) {
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return finished_ >= ticket; });
  traffic_.elements_sent = inner_traffic_.elements_sent;
  traffic_.seconds_waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace vitrail::sharding
