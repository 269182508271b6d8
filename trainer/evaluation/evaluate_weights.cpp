#include "trainer/evaluation/evaluate_weights.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "models/feature_choice.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"
#include "trainer/checkpoint/checkpoint_reader.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/evaluation/evaluate.hpp"
#include "trainer/evaluation/features.hpp"
#include "trainer/evaluation/knn.hpp"
#include "trainer/open_data.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/settings/settings.hpp"
#include "trainer/settings/task_network.hpp"
#include "trainer/tasks/classification_scorer.hpp"
#include "trainer/tasks/same_classes.hpp"
#include "trainer/weights/weight_source.hpp"

namespace vitrail::trainer {

namespace {

struct Loaded {
  std::string checkpoint;
  c10::Device device;
  std::unique_ptr<const models::Model> model;
};

Loaded load(const Config& config, const WeightsRequest& request, Asked asked,
            sharding::Communicator& communicator) {
  const std::string checkpoint = resolved_checkpoint(request.checkpoint);
  const c10::Device device = choose_device(config.run.device, request.gpus, communicator);
  const auto say = [&](const std::string& text) {
    if (communicator.rank() == 0) request.say(text);
  };
  say(describe_devices(device, communicator, communicator.size() > 1 ? "over MPI" : ""));
  return {checkpoint, device, load_model(config, checkpoint, device, say, asked)};
}

void tell_warnings(const datasets::Dataset& dataset, const WeightsRequest& request,
                   const sharding::Communicator& communicator) {
  if (communicator.rank() != 0) return;
  for (const std::string& words : dataset.warnings()) request.say("warning: " + words);
}

// On rank 0.
UsedRecord used_record(const Config& config, const Loaded& loaded, const datasets::Dataset& dataset,
                       const sharding::Communicator& communicator) {
  if (communicator.rank() != 0) return {};
  return {weights_origin(config, loaded.checkpoint), config.data.val, dataset.fingerprint(), utc_time(), {}};
}

models::FeatureChoice features_wanted(const Config& config) {
  return models::read_feature_choice(config.evaluation.features).value();
}

Asked features_asked(const Config& config) {
  return features_wanted(config).projection ? Asked::projection : Asked::features;
}

// What the run of a checkpoint was trained on, as it cut and labelled that.
datasets::DataConfig trained_data(const Config& config, const std::string& checkpoint) {
  Config trained;
  if (!checkpoint.empty()) {
    for (const auto& [key, value] : read_checkpoint_manifest(find_checkpoint(checkpoint)).settings) {
      const Setting* const setting = key.starts_with("data.") ? find_setting(key) : nullptr;
      if (setting != nullptr) setting->set(trained, value);
    }
  }
  if (trained.data.train.empty() && config.evaluation.known.empty()) {
    throw Error(ExitCode::refused, "evaluate.protocol = knn needs labelled images to find neighbours among",
                "set evaluate.known = SOURCE, as data.train of the run");
  }
  trained.data.classes = config.data.classes;
  return trained.data;
}

// `used`: told who votes.
std::unique_ptr<Scorer> knn_scorer(const Config& config, const WeightsRequest& request, const Loaded& loaded,
                                   const datasets::Dataset& asked, sharding::Communicator& communicator,
                                   UsedRecord& used) {
  const datasets::DataConfig trained = trained_data(config, loaded.checkpoint);
  const auto known = open_known_images(config, trained, communicator);
  check_known_classes(*known, asked);
  const models::FeatureChoice choice = features_wanted(config);
  auto looked_at = known_features(*loaded.model, known, evaluation_options(config, loaded.device),
                                  communicator, choice, [] { return false; });
  KnownFeatures& features = looked_at.value();
  if (const std::string note = features.damage(); !note.empty() && communicator.rank() == 0)
    request.say("warning: " + note);
  const EvaluationConfig& how = config.evaluation;
  const KnnOptions options = knn_options(config, *known);
  used.knn = {how.known.empty() ? trained.train : how.known, known->fingerprint(), how.features,
              how.neighbours, how.temperature};
  return std::make_unique<KnnScorer>(std::move(features.set), asked.size(), choice, options);
}

std::unique_ptr<Scorer> classification_scorer(const Config& config, const Loaded& loaded,
                                              const datasets::Dataset& dataset) {
  if (!loaded.checkpoint.empty()) {
    const CheckpointReader trained(find_checkpoint(loaded.checkpoint));
    check_same_classes(trained.manifest().class_ids, trained.folder().string(), dataset);
  }
  ClassificationScorer::Options options{config.run.lanes, config.evaluation.flip};
  const std::string& real = config.evaluation.real_labels;
  if (!real.empty()) options.real = std::make_shared<RealLabels>(real, dataset, config.model.classes);
  if (config.evaluation.per_class) options.classes = config.model.classes;
  return std::make_unique<ClassificationScorer>(options);
}

}  // namespace

Evaluated evaluate_weights(const Config& config, const WeightsRequest& request,
                           sharding::Communicator& communicator) {
  const bool by_features = judged_by_neighbours(config);
  const Loaded loaded =
      load(config, request, by_features ? features_asked(config) : Asked::logits, communicator);
  const auto dataset = open_together(evaluated_data(config), DataUse::evaluation, communicator);
  check_evaluation_labels(config.data.val, dataset->classes());
  tell_warnings(*dataset, request, communicator);
  UsedRecord used = used_record(config, loaded, *dataset, communicator);
  const auto scorer = by_features ? knn_scorer(config, request, loaded, *dataset, communicator, used)
                                  : classification_scorer(config, loaded, *dataset);
  const auto scores = evaluate(*loaded.model, dataset, evaluation_options(config, loaded.device), *scorer,
                               communicator, [] { return false; });
  if (used.knn) used.knn->neighbours = scores->neighbours.value_or(used.knn->neighbours);
  return {scores.value(), used};
}

FeaturesWritten write_features(const Config& config, const WeightsRequest& request,
                               const std::filesystem::path& output, sharding::Communicator& communicator) {
  constexpr std::int64_t kRowsAtOnce = 1024;
  const Loaded loaded = load(config, request, features_asked(config), communicator);
  const auto dataset = open_together(config.data, DataUse::evaluation, communicator);
  tell_warnings(*dataset, request, communicator);
  EvaluationOptions options = evaluation_options(config, loaded.device);
  options.transform.crops = datasets::EvaluationCrops::centre;
  const models::FeatureChoice choice = features_wanted(config);
  const bool has_labels = dataset->classes() > 0;
  const std::int64_t images = dataset->size(), width = feature_width(*loaded.model, options, choice);
  const DataType type = sum_type(compute_type(config.precision.compute));
  std::optional<SafetensorsWriter> file;  // begun first: where it cannot be written, nothing is computed
  sharding::agree(communicator, [&] {
    if (communicator.rank() != 0) return;
    auto metadata = used_metadata(used_record(config, loaded, *dataset, communicator));
    metadata["features"] = config.evaluation.features;
    std::map<std::string, SafetensorsWriter::Entry> tensors = {{"features", {type, {images, width}}}};
    if (has_labels) tensors["labels"] = {DataType::i64, {images}};
    file.emplace(output, tensors, metadata);
  });
  const FeatureSet set = extract_features(*loaded.model, dataset, options, communicator, choice);
  std::vector<std::int64_t> labels;
  for (std::int64_t first = 0; first < images; first += kRowsAtOnce) {
    const FeatureRows block = gather_rows(set, first, std::min(kRowsAtOnce, images - first), communicator);
    labels.insert(labels.end(), block.labels.begin(), block.labels.end());
    const at::Tensor rows = block.rows.to(tensor_type(type));
    sharding::agree(communicator, [&] {
      if (file) file->append({static_cast<const std::byte*>(rows.const_data_ptr()), rows.nbytes()});
    });
  }
  sharding::agree(communicator, [&] {
    if (!file) return;
    if (has_labels) file->append(std::as_bytes(std::span(labels)));
    file->commit();
  });
  return {images, width};
}

}  // namespace vitrail::trainer
