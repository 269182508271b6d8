// Labels from the features of a network that does not learn: its body computes as in evaluation, and only the
// classifier on it has gradients. Source: DINO's linear evaluation.
#pragma once

#include "trainer/tasks/task.hpp"

namespace vitrail::trainer {

class LinearProbe final : public Task {
 public:
  explicit LinearProbe(const Config& config) : config_(config) {}

  std::vector<datasets::ViewPlan> views() const override;
  at::Tensor lane_loss(const LaneInput& lane, std::span<double> shared) const override;
  std::unique_ptr<Scorer> scorer() const override;
  std::vector<std::string> log_lines() const override;

 private:
  const Config& config_;
};

}  // namespace vitrail::trainer
