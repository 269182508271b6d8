#include "trainer/evaluation/predict.hpp"

#include <limits>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "datasets/loader/loader.hpp"
#include "sharding/agreement/agreement.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/tasks/classification_scorer.hpp"
#include "trainer/weights/weight_source.hpp"

namespace vitrail::trainer {
namespace {

using datasets::DamageLedger;

// What all ranks made of one batch each: images [first, first + rows) of the source.
struct Round {
  std::int64_t first = 0;
  at::Tensor logits;  // [rows, K], fp64; NaN where damaged
  DamageLedger damaged;
};

DamageLedger of_all_ranks(const DamageLedger& own, sharding::Communicator& communicator) {
  if (communicator.size() == 1) return own;
  DamageLedger all;
  for (const std::string& text : sharding::gather_text(communicator, datasets::to_text(own))) {
    all.merge(datasets::parse_damage(text));
  }
  return all;
}

// `own`: this rank's logits; undefined where no batch is left for it.
Round gather(std::int64_t first, std::int64_t rows, std::int64_t batch, const Config& config,
             const at::Tensor& own, const DamageLedger& damaged, sharding::Communicator& communicator) {
  Round round{first, at::zeros({rows, config.model.classes}, at::kDouble),
              of_all_ranks(damaged, communicator)};
  if (own.defined()) round.logits.narrow(0, communicator.rank() * batch, own.size(0)).copy_(own);
  communicator.all_reduce_sum(
      {round.logits.mutable_data_ptr<double>(), static_cast<std::size_t>(round.logits.numel())});
  for (const auto& [image, why] : round.damaged) {
    round.logits[static_cast<std::int64_t>(image) - first].fill_(std::numeric_limits<double>::quiet_NaN());
  }
  return round;
}

void tell(const Round& round, const datasets::Dataset& dataset, const PredictionRequest& request) {
  const auto classes = static_cast<std::size_t>(round.logits.size(1));
  for (std::int64_t i = 0; i < round.logits.size(0); ++i) {
    const std::int64_t image = round.first + i;
    if (const auto damage = round.damaged.find(static_cast<std::uint64_t>(image));
        damage != round.damaged.end()) {
      if (request.take_damaged) request.take_damaged(dataset.name(image), damage->second);
      continue;
    }
    if (!request.take) continue;
    const std::span row(round.logits.const_data_ptr<double>() + static_cast<std::size_t>(i) * classes,
                        classes);
    request.take(dataset.name(image), likeliest(row, request.top));
  }
}

std::shared_ptr<const datasets::Dataset> open_images(const Config& config,
                                                     sharding::Communicator& communicator) {
  std::shared_ptr<const datasets::Dataset> dataset;
  sharding::agree(communicator, [&] {
    dataset = datasets::open_unlabelled(config.data.val,
                                        {.given_as = "data.val =", .classes = config.data.classes});
  });
  sharding::check_agreement(communicator, {{config.data.val, dataset->fingerprint()}}, ExitCode::bad_data,
                            "every rank has to see the same files");
  return dataset;
}

// Begun before anything is computed, by rank 0 alone.
class LogitsFile {
 public:
  LogitsFile(const PredictionRequest& request, std::int64_t images, std::int64_t classes, DataType type,
             const UsedRecord& used)
      : type_(type), writer_(request.output, {{"logits", {type, {images, classes}}}}, used_metadata(used)) {}
  void append(const at::Tensor& logits) {
    const at::Tensor rows = logits.to(tensor_type(type_));
    writer_.append({static_cast<const std::byte*>(rows.const_data_ptr()), rows.nbytes()});
  }
  void commit() { writer_.commit(); }

 private:
  DataType type_;
  SafetensorsWriter writer_;
};

}  // namespace

PredictionCount predict(const Config& config, const PredictionRequest& request,
                        sharding::Communicator& communicator) {
  const at::NoGradGuard no_grad;
  const bool speaks = communicator.rank() == 0;
  const auto say = [&](const std::string& text) {
    if (speaks && request.say) request.say(text);
  };
  const c10::Device device = choose_device(config.run.device, request.gpus, communicator);
  say(describe_devices(device, communicator, communicator.size() > 1 ? "over MPI" : ""));
  const std::string checkpoint = resolved_checkpoint(request.checkpoint);
  const auto model = load_model(config, checkpoint, device, say);
  const auto dataset = open_images(config, communicator);
  for (const std::string& words : dataset->warnings()) say("warning: " + words);
  const DataType type = compute_type(config.precision.compute);
  const datasets::EvaluationTransform transform{config.model.image_size, config.evaluation.crop_ratio,
                                                config.data.normalisation, config.evaluation.crops};
  const std::int64_t images = dataset->size(), batch = config.evaluation.batch_size;
  const std::int64_t crops = transform.crops_count();
  datasets::EvaluationLoader loader(dataset, {}, transform, batch, config.data.workers, batch_memory(device),
                                    datasets::OnDamage::report, {communicator.rank(), communicator.size()});
  std::optional<LogitsFile> output;
  sharding::agree(communicator, [&] {
    if (!speaks) return;
    const UsedRecord used{weights_origin(config, checkpoint), config.data.val, dataset->fingerprint(),
                          utc_time()};
    if (request.take_used) request.take_used(used);
    if (!request.output.empty()) output.emplace(request, images, config.model.classes, sum_type(type), used);
  });
  Progress progress("prediction", "images", static_cast<std::uint64_t>(images), speaks);
  PredictionCount count{images, 0};
  const std::int64_t at_once = batch * communicator.size();
  for (std::int64_t first = 0; first < images; first += at_once) {
    datasets::EvaluationBatch own;
    at::Tensor logits;
    if (loader.next(own)) {
      const at::Tensor pixels =
          image_tensor(own.images, own.images_count * crops, transform.image_size, type, device);
      logits = evaluation_logits(*model, pixels, config.evaluation.flip, crops).to(at::kCPU);
    }
    const std::int64_t rows = std::min(at_once, images - first);
    const Round round = gather(first, rows, batch, config, logits, own.damaged, communicator);
    count.damaged += static_cast<std::int64_t>(round.damaged.size());
    if (speaks) {
      if (output) output->append(round.logits);
      tell(round, *dataset, request);
    }
    progress.add(static_cast<std::uint64_t>(rows));
  }
  if (output) output->commit();
  return count;
}

}  // namespace vitrail::trainer
