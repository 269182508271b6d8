// What a network's body makes of images, in evaluation mode. Throws: Error(refused) for features that the
// network has not; what the loader and the model throw.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "trainer/evaluation/evaluate.hpp"

namespace vitrail::trainer {

// Stands for the label of a known image that cannot be decoded: it neither votes nor is ranked.
inline constexpr std::int64_t kNotKnown = -1;

// Of one lane's images, in their order: image lane + L * i is row i.
struct LaneFeatures {
  std::int64_t lane = 0;
  std::vector<std::int64_t> labels;
  at::Tensor rows;  // [n,D], at least fp32, on the device
};

// A set of images of which every rank has the features of its own lanes.
struct FeatureSet {
  std::int64_t images = 0, lanes = 1, width = 0;
  std::vector<LaneFeatures> own;
};

// [B,3,S,S] -> [B,D]: what the head reads, or the mean over patches; both [B, 2 * D]; of the last n blocks
// [B, n * D], side by side; or what a head makes of them.
at::Tensor features_of(const models::Model& model, const at::Tensor& images,
                       const models::FeatureChoice& choice);

// Of every image: tried with one.
std::int64_t feature_width(const models::Model& model, const EvaluationOptions& options,
                           const models::FeatureChoice& choice);

// Puts batches together as they come (Scorer::add).
class FeatureCollector {
 public:
  FeatureCollector(std::int64_t images, std::int64_t lanes, std::int64_t width, models::FeatureChoice choice)
      : set_{images, lanes, width, {}}, choice_(choice) {}

  void add(const models::Model& model, const at::Tensor& images, const datasets::EvaluationBatch& batch);
  FeatureSet take();

 private:
  void close_lane();

  FeatureSet set_;
  models::FeatureChoice choice_;
  std::vector<at::Tensor> parts_;  // of the last lane
};

FeatureSet extract_features(const models::Model& model,
                            const std::shared_ptr<const datasets::Dataset>& dataset,
                            const EvaluationOptions& options, const sharding::Communicator& communicator,
                            const models::FeatureChoice& choice);

// Of images that others are compared with: some may be damaged, as many as training would replace.
// Collective. Throws: Error(bad_data) where more are.
struct KnownFeatures {
  FeatureSet set;
  datasets::DamageLedger damaged;  // of all ranks

  std::string damage() const;  // a sentence; empty: none
};
// `interrupted`: as evaluate().
std::optional<KnownFeatures> known_features(const models::Model& model,
                                            const std::shared_ptr<const datasets::Dataset>& dataset,
                                            const EvaluationOptions& options,
                                            sharding::Communicator& communicator,
                                            const models::FeatureChoice& choice,
                                            const std::function<bool()>& interrupted);

// Rows [first, first + count), and their labels, on every rank: each is given by the rank whose lane has it.
struct FeatureRows {
  at::Tensor rows;  // [count,width], fp64, in the host's memory
  std::vector<std::int64_t> labels;
};
FeatureRows gather_rows(const FeatureSet& set, std::int64_t first, std::int64_t count,
                        sharding::Communicator& communicator);

}  // namespace vitrail::trainer
