#include "trainer/evaluation/predict.hpp"

#include <limits>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "datasets/loader/loader.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/tasks/classification_scorer.hpp"
#include "trainer/weights/weight_source.hpp"

namespace vitrail::trainer {
PredictionCount predict(const Config& config, const PredictionRequest& request) {
  const at::NoGradGuard no_grad;
  sharding::LocalCommunicator alone;
  const c10::Device device = choose_device(config.run.device, request.gpus, alone);
  if (request.say) request.say(describe_devices(device, alone, ""));
  const std::string checkpoint = resolved_checkpoint(request.checkpoint);
  const auto model = load_model(config, checkpoint, device, request.say);
  const auto dataset = datasets::open_unlabelled(config.data.val, {.classes = config.data.classes});
  const DataType type = compute_type(config.precision.compute);
  const datasets::EvaluationTransform transform{config.model.image_size, config.evaluation.crop_ratio,
                                                config.data.normalisation};
  datasets::EvaluationLoader loader(dataset, {}, transform, config.evaluation.batch_size, config.data.workers,
                                    batch_memory(device), datasets::OnDamage::report);
  const UsedRecord used{weights_origin(config, checkpoint), config.data.val, dataset->fingerprint(),
                        utc_time()};
  if (request.take_used) request.take_used(used);
  std::optional<SafetensorsWriter> output;
  if (!request.output.empty()) {
    const SafetensorsWriter::Entry logits{sum_type(type), {dataset->size(), config.model.classes}};
    output.emplace(request.output, std::map<std::string, SafetensorsWriter::Entry>{{"logits", logits}},
                   used_metadata(used));
  }
  Progress progress("prediction", "images", static_cast<std::uint64_t>(dataset->size()), true);
  datasets::EvaluationBatch batch;
  PredictionCount count{dataset->size(), 0};
  while (loader.next(batch)) {
    const at::Tensor images =
        image_tensor(batch.images, batch.images_count, transform.image_size, type, device);
    const at::Tensor logits =
        evaluation_logits(*model, images, config.evaluation.flip).to(at::kCPU).contiguous();
    count.damaged += static_cast<std::int64_t>(batch.damaged.size());
    for (std::size_t i = 0; i < batch.indices.size(); ++i) {
      if (!batch.damaged.contains(static_cast<std::uint64_t>(batch.indices[i]))) continue;
      logits[static_cast<std::int64_t>(i)].fill_(std::numeric_limits<double>::quiet_NaN());
    }
    if (output) output->append({static_cast<const std::byte*>(logits.const_data_ptr()), logits.nbytes()});
    const at::Tensor wide = logits.to(at::kDouble);
    const auto classes = static_cast<std::size_t>(wide.size(1));
    for (std::size_t i = 0; i < batch.indices.size(); ++i) {
      const auto damage = batch.damaged.find(static_cast<std::uint64_t>(batch.indices[i]));
      if (damage != batch.damaged.end() && request.take_damaged) {
        request.take_damaged(dataset->name(batch.indices[i]), damage->second);
      }
      if (damage != batch.damaged.end() || !request.take) continue;
      const std::span row(wide.const_data_ptr<double>() + i * classes, classes);
      request.take(dataset->name(batch.indices[i]), likeliest(row, request.top));
    }
    progress.add(static_cast<std::uint64_t>(batch.images_count));
  }
  if (output) output->commit();
  return count;
}

}  // namespace vitrail::trainer
