#include "trainer/evaluation/known_images.hpp"

#include "trainer/tasks/same_classes.hpp"

namespace vitrail::trainer {
namespace {

std::shared_ptr<const datasets::Dataset> open_labelled(const Config& config, datasets::DataConfig trained,
                                                       sharding::Communicator& communicator) {
  if (!config.evaluation.known.empty()) {
    datasets::DataConfig data = config.data;
    data.coarse.clear();
    data.val = config.evaluation.known;
    auto known = open_together(data, DataUse::evaluation, communicator, "evaluate.known");
    check_evaluation_labels(data.val, known->classes(), "evaluate.known");
    return known;
  }
  trained.coarse.clear();
  trained.stage_dir.clear();
  auto known = open_together(trained, DataUse::training, communicator);
  if (known->classes() == 0) throw no_votes(trained);
  return known;
}

}  // namespace

std::shared_ptr<const datasets::Dataset> open_known_images(const Config& config,
                                                           const datasets::DataConfig& trained,
                                                           const datasets::Dataset& asked,
                                                           sharding::Communicator& communicator) {
  auto known = open_labelled(config, trained, communicator);
  check_same_classes(class_ids(*known), known->describe(), asked);
  if (asked.classes() > known->classes()) {
    throw Error(ExitCode::refused,
                fmt::format("{} has {} classes, but {}, whose labels vote, {}", asked.describe(),
                            asked.classes(), known->describe(), known->classes()),
                "set evaluate.known to images of all of them");
  }
  return known;
}

}  // namespace vitrail::trainer
