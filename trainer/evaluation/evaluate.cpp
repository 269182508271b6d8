#include "trainer/evaluation/evaluate.hpp"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "sharding/plan/lanes.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/settings/task_network.hpp"

namespace vitrail::trainer {

EvaluationOptions evaluation_options(const Config& config, c10::Device device) {
  return {config.run.lanes,
          config.evaluation.batch_size,
          config.data.workers,
          {config.model.image_size, config.evaluation.crop_ratio, config.data.normalisation,
           judged_by_neighbours(config) ? datasets::EvaluationCrops::centre : config.evaluation.crops},
          compute_type(config.precision.compute),
          device};
}

void look_at_images(
    const std::shared_ptr<const datasets::Dataset>& dataset, const EvaluationOptions& options,
    const sharding::Communicator& communicator, const char* what,
    const std::function<bool(const at::Tensor& images, const datasets::EvaluationBatch&)>& take,
    datasets::OnDamage on_damage) {
  const at::NoGradGuard no_grad;
  const auto lanes = sharding::lanes_of_rank(options.lanes, communicator.size(), communicator.rank());
  datasets::EvaluationLoader loader(dataset, {0, options.lanes, lanes.begin, lanes.end}, options.transform,
                                    options.batch, options.workers, batch_memory(options.device), on_damage);
  const std::int64_t per_lane = (dataset->size() + options.lanes - 1) / options.lanes;
  Progress progress(communicator.size() > 1 ? fmt::format("{} on rank 0", what) : what, "images",
                    static_cast<std::uint64_t>(std::min(dataset->size(), per_lane * lanes.count())),
                    communicator.rank() == 0);
  datasets::EvaluationBatch batch;
  while (loader.next(batch)) {
    const at::Tensor images = image_tensor(batch.images, batch.images_count * options.transform.crops_count(),
                                           options.transform.image_size, options.type, options.device);
    const bool goes_on = take(images, batch);
    progress.add(static_cast<std::uint64_t>(batch.images_count));
    if (!goes_on) return;
  }
}

std::optional<Scores> evaluate(const models::Model& model,
                               const std::shared_ptr<const datasets::Dataset>& dataset,
                               const EvaluationOptions& options, Scorer& scorer,
                               sharding::Communicator& communicator,
                               const std::function<bool()>& interrupted) {
  std::vector<double> stops(1);  // ranks that want to
  look_at_images(dataset, options, communicator, "evaluation",
                 [&](const at::Tensor& images, const datasets::EvaluationBatch& batch) {
                   scorer.add(model, images, batch);
                   if (interrupted()) stops[0] = 1;
                   return stops[0] == 0;
                 });
  communicator.all_reduce_sum(stops);
  if (stops[0] > 0) return std::nullopt;
  return scorer.finish(communicator);
}

}  // namespace vitrail::trainer
