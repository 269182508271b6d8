// Exact evaluation: image i belongs to lane i mod L, every image counts once whatever the number of ranks and
// the batch size; hits are counted as integers, losses are added in double in lane order. Ties go to the
// lower class. Throws: Error(bad_data) naming a label outside the model's classes; what the loader throws;
// PeerFailure.
#pragma once

#include <functional>
#include <memory>

#include <c10/core/Device.h>

#include "datasets/loader/loader.hpp"
#include "models/model.hpp"
#include "sharding/comm/communicator.hpp"
#include "trainer/metrics.hpp"
#include "trainer/settings/config.hpp"
#include "trainer/tasks/real_labels.hpp"

namespace vitrail::trainer {

struct EvaluationOptions {
  std::int64_t lanes = 1;
  std::int64_t batch = 256;  // images of one lane in one forward pass
  std::int64_t workers = 1;
  datasets::EvaluationTransform transform;
  DataType type = DataType::f32;
  bool flip = false;  // see evaluation_logits
  c10::Device device = c10::kCPU;
  std::shared_ptr<const RealLabels> real = nullptr;  // null: none
  std::int64_t classes = 0;                          // of which accuracies are told one by one; 0: none
};

EvaluationOptions evaluation_options(const Config& config, c10::Device device);

// [B,3,S,S] -> [B,K]: the model's prediction; with `flip` the mean over each image and its mirror.
at::Tensor evaluation_logits(const models::Model& model, const at::Tensor& images, bool flip);

// `interrupted` is asked after every batch of this rank; once true anywhere, all ranks stop and nothing is
// returned.
std::optional<EvaluationMetrics> evaluate(const models::Model& model,
                                          std::shared_ptr<const datasets::Dataset> dataset,
                                          const EvaluationOptions& plan, sharding::Communicator& communicator,
                                          const std::function<bool()>& interrupted);

}  // namespace vitrail::trainer
