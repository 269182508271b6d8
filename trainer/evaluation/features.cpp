#include "trainer/evaluation/features.hpp"

#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/precision.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "trainer/base/error.hpp"
#include "trainer/device/tensor_type.hpp"

namespace vitrail::trainer {

at::Tensor features_of(const models::Model& model, const at::Tensor& images,
                       const models::FeatureChoice& choice) {
  models::Pass pass;
  pass.features = choice;
  if (choice.projection) return models::widened(model.forward(images, pass).classes);
  return models::widened(models::chosen(model.features(images, pass), choice));
}

std::int64_t feature_width(const models::Model& model, const EvaluationOptions& options,
                           const models::FeatureChoice& choice) {
  const at::NoGradGuard no_grad;
  const std::int64_t side = options.transform.image_size;
  const auto like = at::TensorOptions(tensor_type(options.type)).device(options.device);
  return features_of(model, at::zeros({1, 3, side, side}, like), choice).size(1);
}

void FeatureCollector::add(const models::Model& model, const at::Tensor& images,
                           const datasets::EvaluationBatch& batch) {
  if (set_.own.empty() || set_.own.back().lane != batch.lane) {
    close_lane();
    set_.own.push_back({batch.lane, {}, {}});
  }
  parts_.push_back(features_of(model, images, choice_));
  std::vector<std::int64_t>& labels = set_.own.back().labels;
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    const bool is_damaged = batch.damaged.contains(static_cast<std::uint64_t>(batch.indices[i]));
    labels.push_back(is_damaged ? kNotKnown : batch.labels[i]);
  }
}

void FeatureCollector::close_lane() {
  if (!parts_.empty()) set_.own.back().rows = at::cat(parts_, 0);
  parts_.clear();
}

FeatureSet FeatureCollector::take() {
  close_lane();
  return std::move(set_);
}

FeatureSet extract_features(const models::Model& model,
                            const std::shared_ptr<const datasets::Dataset>& dataset,
                            const EvaluationOptions& options, const sharding::Communicator& communicator,
                            const models::FeatureChoice& choice) {
  FeatureCollector collector(dataset->size(), options.lanes, feature_width(model, options, choice), choice);
  look_at_images(dataset, options, communicator, "features",
                 [&](const at::Tensor& images, const datasets::EvaluationBatch& batch) {
                   collector.add(model, images, batch);
                   return true;
                 });
  return collector.take();
}

std::string KnownFeatures::damage() const {
  if (damaged.empty()) return "";
  return fmt::format("{} of the images that vote cannot be decoded and left out; the first: {}",
                     damaged.size(), damaged.begin()->second);
}

std::optional<KnownFeatures> known_features(const models::Model& model,
                                            const std::shared_ptr<const datasets::Dataset>& dataset,
                                            const EvaluationOptions& options,
                                            sharding::Communicator& communicator,
                                            const models::FeatureChoice& choice,
                                            const std::function<bool()>& interrupted) {
  FeatureCollector collector(dataset->size(), options.lanes, feature_width(model, options, choice), choice);
  KnownFeatures known;
  std::vector<double> stops(1);
  look_at_images(
      dataset, options, communicator, "neighbours",
      [&](const at::Tensor& images, const datasets::EvaluationBatch& batch) {
        collector.add(model, images, batch);
        known.damaged.insert(batch.damaged.begin(), batch.damaged.end());
        if (interrupted()) stops[0] = 1;
        return stops[0] == 0;
      },
      datasets::OnDamage::report);
  communicator.all_reduce_sum(stops);
  if (stops[0] > 0) return std::nullopt;
  for (const std::string& text : sharding::gather_text(communicator, datasets::to_text(known.damaged)))
    known.damaged.merge(datasets::parse_damage(text));
  const auto allowed = datasets::damage_allowed(static_cast<std::uint64_t>(dataset->size()));
  if (known.damaged.size() > allowed) {
    throw Error(
        ExitCode::bad_data,
        fmt::format("{}: {}, at most {} may be", dataset->describe(), known.damage(), allowed),
        "mend them, or set evaluate.known to other images; `vitrail verify PACK` lists what is damaged");
  }
  known.set = collector.take();
  return known;
}

FeatureRows gather_rows(const FeatureSet& set, std::int64_t first, std::int64_t count,
                        sharding::Communicator& communicator) {
  const std::int64_t width = set.width;
  at::Tensor values = at::zeros({count, width + 1}, at::kDouble);  // the label comes last
  for (const LaneFeatures& lane : set.own) {
    // The lane's first image from `first` on, and as many as lie before the end.
    const std::int64_t skip = (lane.lane - first % set.lanes + set.lanes) % set.lanes;
    if (skip >= count) continue;
    const std::int64_t begin = (first + skip - lane.lane) / set.lanes;
    const std::int64_t rows = (count - skip + set.lanes - 1) / set.lanes;
    at::Tensor target = values.slice(0, skip, count, set.lanes);
    target.narrow(1, 0, width).copy_(lane.rows.narrow(0, begin, rows));
    target.select(1, width).copy_(
        at::tensor(at::ArrayRef<std::int64_t>(lane.labels)
                       .slice(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows)),
                   at::kDouble));
  }
  communicator.all_reduce_sum({values.mutable_data_ptr<double>(), static_cast<std::size_t>(values.numel())});
  FeatureRows gathered{values.narrow(1, 0, width).contiguous(), {}};
  const double* labels = values.const_data_ptr<double>() + width;
  for (std::int64_t i = 0; i < count; ++i)
    gathered.labels.push_back(static_cast<std::int64_t>(labels[i * (width + 1)]));
  return gathered;
}

}  // namespace vitrail::trainer
