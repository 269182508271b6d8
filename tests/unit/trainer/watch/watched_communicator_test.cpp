#include "trainer/watch/watched_communicator.hpp"

#include <gtest/gtest.h>

#include "sharding/comm/local_communicator.hpp"

namespace vitrail::trainer {
namespace {

// Whether the training thread was said to wait while a call was under way.
class Looking final : public sharding::InterceptedCommunicator {
 public:
  Looking(sharding::Communicator& inner, const PhaseLog& phases)
      : InterceptedCommunicator(inner), phases_(phases) {}
  bool waited = false;

 protected:
  void around(const sharding::Call&, const std::function<void()>& forward) override {
    waited = phases_.waits();
    forward();
  }

 private:
  const PhaseLog& phases_;
};

void a_barrier(sharding::Communicator& ranks) { ranks.barrier(); }

TEST(WatchedCommunicator, WithoutAQueueWhatIsPostedIsWaitedFor) {
  PhaseLog phases(0, std::nullopt);
  sharding::LocalCommunicator alone;
  Looking looking(alone, phases);
  WatchedCommunicator watched(looking, phases);
  watched.post(a_barrier);
  EXPECT_TRUE(looking.waited) << "a rank that hangs would be taken for this one";
  EXPECT_FALSE(phases.waits());
}

}  // namespace
}  // namespace vitrail::trainer
