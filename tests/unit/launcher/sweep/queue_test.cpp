#include "launcher/sweep/queue.hpp"

#include <gmock/gmock.h>

namespace vitrail::launcher {
namespace {

// As squeue 22.05 prints them.
TEST(SweepQueue, LinesOfSqueue) {
  const auto entries = parse_queue(
      "13|12|0|RUNNING|n0\n"
      "14|12|3|PENDING|\n"
      "12|12|4|REQUEUE_HOLD|\n"
      "15|12|5|COMPLETING|n1\n"
      "16|16|N/A|SUSPENDED|n1\n"
      "squeue: error: something else\n");
  std::vector<std::string> found;
  for (const auto& [id, entry] : entries)
    found.push_back(id + " " + entry.job + " " +
                    (entry.running   ? "runs "
                     : entry.waiting ? "waits "
                                     : "ends ") +
                    entry.node);
  EXPECT_THAT(found, testing::ElementsAre("13 12_0 runs n0", "14 12_3 waits ", "12 12_4 waits ",
                                          "15 12_5 ends n1", "16 16 runs n1"));
}

}  // namespace
}  // namespace vitrail::launcher
