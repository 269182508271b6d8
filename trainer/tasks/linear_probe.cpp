#include "trainer/tasks/linear_probe.hpp"

#include "models/heads/logits.hpp"
#include "trainer/tasks/classification.hpp"
#include "trainer/tasks/classification_scorer.hpp"
#include "trainer/tasks/task_views.hpp"

namespace vitrail::trainer {

std::vector<datasets::ViewPlan> LinearProbe::views() const { return task_views(config_); }

// What backward keeps begins at the classifier: no parameter before it has gradients.
at::Tensor LinearProbe::lane_loss(const LaneInput& lane, std::span<double> /*shared*/) const {
  models::Pass still;
  still.before_block = lane.pass.before_block;
  const models::Logits logits = lane.student.forward(lane.views.front(), still);
  return classification_loss(config_, lane.batch, logits, {});
}

std::unique_ptr<Scorer> LinearProbe::scorer() const {
  return std::make_unique<ClassificationScorer>(
      ClassificationScorer::Options{config_.run.lanes, config_.evaluation.flip});
}

std::vector<std::string> LinearProbe::log_lines() const {
  std::vector<std::string> lines = {fmt::format(
      "linear: a classifier learns on {}; the rest of the network stays as it is", config_.linear.features)};
  if (config_.model.weights.empty())
    lines.emplace_back("warning: without model.weights that is as it was drawn: a control, and no result");
  return lines;
}

}  // namespace vitrail::trainer
