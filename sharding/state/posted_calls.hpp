// Calls to other ranks beside what the device computes. On the device each begins after what computing was
// given before it was posted, and computing goes on after those that it needs: nobody waits on the host.
// Throws: PeerFailure.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "sharding/comm/communicator.hpp"
#include "sharding/device/device.hpp"

namespace vitrail::sharding {

class PostedCalls {
 public:
  PostedCalls(Communicator& communicator, Device& device) : communicator_(communicator), device_(device) {}
  ~PostedCalls() { communicator_.settle(tickets_); }
  PostedCalls(const PostedCalls&) = delete;
  PostedCalls& operator=(const PostedCalls&) = delete;

  void post(const Communicator::Calls& calls);
  std::size_t size() const { return tickets_.size(); }
  // What computing is given from now on begins after the call of this index.
  void compute_after(std::size_t call);
  // Waits for all, here and on the device, and forgets them.
  void finish();

 private:
  Communicator& communicator_;
  Device& device_;
  std::vector<Communicator::Ticket> tickets_;
  struct Ended {
    std::shared_ptr<const Mark> calls, sums;
  };
  void compute_after(const Ended& ended);

  std::deque<Ended> ended_;  // by call; there when it has been given to the device
};

}  // namespace vitrail::sharding
