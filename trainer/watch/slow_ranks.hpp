// Finds ranks whose own work takes longer than that of the others: medians over windows of steps, two windows
// in a row, so that neither a long step nor a bad moment counts. Times are seconds of a step for one lane.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

namespace vitrail::trainer {

struct OwnWork {
  double data = 0;     // waiting for batches
  double compute = 0;  // all that is neither that nor waiting for other ranks

  double all() const { return data + compute; }
};

struct SlowRank {
  int rank = 0;
  double factor = 1;     // times the median of the other ranks
  bool by_data = false;  // most of the difference is waiting for batches
};

class SlowRanks {
 public:
  static constexpr std::size_t kWindow = 20;     // steps
  static constexpr double kLeast = 0.005;        // seconds more than the others; less is no harm
  static constexpr std::int64_t kQuietFor = 25;  // windows, before a rank that stays slow is named again

  explicit SlowRanks(double factor) : factor_(factor) {}

  // One step's, by rank. After the second window in a row in which a rank was slow: that rank.
  std::vector<SlowRank> add(const std::vector<OwnWork>& step);

 private:
  double factor_;
  std::vector<std::vector<OwnWork>> window_;
  std::vector<std::int64_t> slow_windows_;  // in a row, by rank
};

}  // namespace vitrail::trainer
