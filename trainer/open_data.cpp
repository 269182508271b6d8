#include "trainer/open_data.hpp"

#include "sharding/agreement/gather_text.hpp"
#include "sharding/agreement/nodes.hpp"
#include "trainer/settings/settings.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/tasks/same_classes.hpp"

namespace vitrail::trainer {
namespace {

Error no_votes(const datasets::DataConfig& data) {
  return {
      ExitCode::bad_data,
      fmt::format("data.train = {}: no image has a label that could vote on those of data.val", data.train),
      "set evaluate.known to images with labels, or leave data.val out"};
}

}  // namespace

std::shared_ptr<const datasets::Dataset> open_together(const datasets::DataConfig& config, DataUse use,
                                                       sharding::Communicator& communicator,
                                                       const std::string& key) {
  const bool training = use == DataUse::training;
  datasets::OpenOptions options =
      training
          ? datasets::training_data(config)
          : datasets::OpenOptions{.given_as = key + " =", .classes = config.classes, .coarse = config.coarse};
  options.check_shards = communicator.rank() == 0;
  options.check_index = sharding::rank_on_node(communicator) == 0;
  if (training) options.stage_dir = config.stage_dir;
  std::shared_ptr<const datasets::Dataset> dataset;
  sharding::agree(communicator,
                  [&] { dataset = datasets::open_dataset(training ? config.train : config.val, options); });
  return dataset;
}

datasets::DataConfig evaluated_data(const Config& config) {
  datasets::DataConfig data = config.data;
  if (judged_by_neighbours(config)) data.coarse.clear();
  return data;
}

void check_training_labels(const Config& config, std::int64_t classes) {
  if (classes > 0) return;
  const std::string none = fmt::format("data.train = {}: no image has a label", config.data.train);
  if (uses_labels(config.task.name)) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}, and task.name = {} learns from them", none,
                            find_setting("task.name")->get(config).value_or("")),
                "data.labels names a table of them; task.name = dino and mae learn without");
  }
  if (config.data.val.empty() || !config.evaluation.known.empty()) return;
  throw no_votes(config.data);
}

void check_evaluation_labels(const std::string& source, std::int64_t classes, const std::string& key) {
  if (classes > 0) return;
  throw Error(
      ExitCode::bad_data, fmt::format("{} = {}: no image has a label", key, source),
      "name images with labels; a run can do without data.val, and `vitrail predict` wants no labels");
}

std::shared_ptr<const datasets::Dataset> open_known_images(const Config& config, datasets::DataConfig trained,
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

void check_known_classes(const datasets::Dataset& known, const datasets::Dataset& asked) {
  check_same_classes(class_ids(known), known.describe(), asked);
  if (asked.classes() <= known.classes()) return;
  throw Error(ExitCode::refused,
              fmt::format("{} has {} classes, but {}, whose labels vote, {}", asked.describe(),
                          asked.classes(), known.describe(), known.classes()),
              "set evaluate.known to images of all of them");
}

}  // namespace vitrail::trainer
