#include "trainer/evaluation/features.hpp"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "models/features.hpp"
#include "models/layers/precision.hpp"
#include "sharding/plan/lanes.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/tensor_type.hpp"

namespace vitrail::trainer {

at::Tensor features_of(const models::Model& model, const at::Tensor& images, std::int64_t blocks) {
  models::Pass pass;
  pass.blocks_kept = blocks;
  const models::Features features = model.features(images, pass);
  return models::widened(blocks == 0 ? features.pooled : at::cat(features.blocks, 1));
}

std::vector<LaneFeatures> extract_features(const models::Model& model,
                                           const std::shared_ptr<const datasets::Dataset>& dataset,
                                           const EvaluationOptions& options,
                                           const sharding::Communicator& communicator, std::int64_t blocks) {
  const at::NoGradGuard no_grad;
  const auto lanes = sharding::lanes_of_rank(options.lanes, communicator.size(), communicator.rank());
  datasets::EvaluationLoader loader(dataset, {0, options.lanes, lanes.begin, lanes.end}, options.transform,
                                    options.batch, options.workers, batch_memory(options.device));
  const std::int64_t per_lane = (dataset->size() + options.lanes - 1) / options.lanes;
  Progress progress(communicator.size() > 1 ? "features on rank 0" : "features", "images",
                    static_cast<std::uint64_t>(std::min(dataset->size(), per_lane * lanes.count())),
                    communicator.rank() == 0);
  std::vector<LaneFeatures> all;
  std::vector<at::Tensor> parts;
  const auto close_lane = [&] {
    if (!all.empty()) all.back().rows = at::cat(parts, 0);
    parts.clear();
  };
  datasets::EvaluationBatch batch;
  while (loader.next(batch)) {
    if (all.empty() || all.back().lane != batch.lane) {
      close_lane();
      all.push_back({batch.lane, {}, {}});
    }
    const at::Tensor images = image_tensor(batch.images, batch.images_count, options.transform.image_size,
                                           options.type, options.device);
    parts.push_back(features_of(model, images, blocks));
    all.back().labels.insert(all.back().labels.end(), batch.labels.begin(), batch.labels.end());
    progress.add(static_cast<std::uint64_t>(batch.images_count));
  }
  close_lane();
  return all;
}

}  // namespace vitrail::trainer
