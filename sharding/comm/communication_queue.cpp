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
  constexpr std::chrono::microseconds kBetweenLooks{50};
  inner().return_early();
  std::unique_lock lock(mutex_);
  const auto is_called = [this] { return ending_ || !waiting_.empty(); };
  for (;;) {
    if (given_.empty()) {
      posted_.wait(lock, is_called);
    } else if (waiting_.empty()) {
      look_after_given(lock);
      posted_.wait_for(lock, kBetweenLooks, [&] { return !waiting_.empty(); });
    }
    if (waiting_.empty()) {
      if (ending_ && given_.empty()) return;
      continue;
    }
    const Calls calls = std::move(waiting_.front());
    waiting_.pop_front();
    std::uint64_t device_calls = 0;
    guarded(lock, [&] {
      calls(inner());
      device_calls = inner().progress().given;
    });
    given_.push_back({++last_given_, device_calls});
    look_after_given(lock);
  }
}

void CommunicationQueue::guarded(std::unique_lock<std::mutex>& lock, const std::function<void()>& calls) {
  if (failure_) return;  // nobody answers any more
  lock.unlock();
  std::exception_ptr failure;
  try {
    calls();
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  failure_ = failure;
  inner_traffic_ = inner().traffic();
}

void CommunicationQueue::look_after_given(std::unique_lock<std::mutex>& lock) {
  std::uint64_t done = 0;
  guarded(lock, [&] { done = inner().progress().done; });
  while (!given_.empty() && (failure_ || given_.front().device_calls <= done)) {
    last_done_ = given_.front().ticket;
    given_.pop_front();
  }
  done_.notify_all();
}

Communicator::Ticket CommunicationQueue::post(const Calls& calls) {
  Ticket ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(calls);
    ticket = ++last_posted_;
  }
  posted_.notify_one();
  return ticket;
}

void CommunicationQueue::wait(Ticket ticket) { wait_for(last_done_, ticket); }
void CommunicationQueue::wait_until_given(Ticket ticket) { wait_for(last_given_, ticket); }

void CommunicationQueue::wait_for(const Ticket& reached, Ticket ticket) {
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return reached >= ticket; });
  traffic_.elements_sent = inner_traffic_.elements_sent;
  traffic_.seconds_waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (failure_) std::rethrow_exception(failure_);
}

}  // namespace vitrail::sharding
