#include "trainer/evaluation/attention.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "datasets/loader/loader.hpp"
#include "datasets/pixels/normalise.hpp"
#include "models/features.hpp"
#include "sharding/comm/local_communicator.hpp"
#include "trainer/base/files/safetensors.hpp"
#include "trainer/base/text/wall_time.hpp"
#include "trainer/device/compute_device.hpp"
#include "trainer/device/tensor_type.hpp"
#include "trainer/settings/compute_type.hpp"
#include "trainer/tasks/classification_scorer.hpp"
#include "trainer/weights/weight_source.hpp"

namespace vitrail::trainer {
namespace {

constexpr double kLikely = 0.1;

models::AttentionMaps maps_of(const models::Model& model, const at::Tensor& images) {
  models::Pass pass;
  pass.features.attention = true;
  models::AttentionMaps maps = *model.features(images, pass).attention;
  maps.weights = maps.weights.to(at::kCPU);
  return maps;
}

datasets::Image picture_of(std::span<const float> planes, int size, const datasets::Normaliser& normaliser) {
  datasets::Image image{size, size, std::vector<std::uint8_t>(planes.size())};
  const std::size_t plane = planes.size() / 3;
  for (std::size_t pixel = 0; pixel < plane; ++pixel) {
    for (int c = 0; c < 3; ++c) {
      const auto channel = static_cast<std::size_t>(c);
      image.rgb[3 * pixel + channel] = normaliser.byte_of(planes[channel * plane + pixel], c);
    }
  }
  return image;
}

AttentionMap one_map(std::string name, std::optional<std::int64_t> label, const at::Tensor& weights,
                     std::int64_t cell) {
  const at::Tensor values = weights.to(at::kFloat).contiguous();
  const float* const first = values.const_data_ptr<float>();
  return {std::move(name), values.size(0), cell, {first, first + values.numel()}, label};
}

// weights: [M,G,G]
std::vector<AttentionMap> shown_maps(const at::Tensor& weights, const models::AttentionMaps& maps,
                                     const std::vector<Prediction>& likeliest) {
  std::vector<AttentionMap> shown;
  if (maps.of_classes) {
    for (const Prediction& guess : likeliest)
      shown.push_back(
          one_map(fmt::format("class {}", guess.label), guess.label, weights[guess.label], maps.cell));
    return shown;
  }
  if (weights.size(0) > 1) shown.push_back(one_map("mean", {}, weights.mean(0), maps.cell));
  for (std::int64_t head = 0; head < weights.size(0); ++head)
    shown.push_back(one_map(fmt::format("head {}", head + 1), {}, weights[head], maps.cell));
  return shown;
}

std::vector<Prediction> likely_classes(const at::Tensor& logits) {
  const at::Tensor wide = logits.to(at::kDouble).contiguous();
  constexpr std::int64_t kMost = 9;  // above a tenth each
  std::vector<Prediction> all =
      likeliest({wide.const_data_ptr<double>(), static_cast<std::size_t>(wide.numel())}, kMost);
  const auto unlikely = std::find_if(all.begin() + 1, all.end(),
                                     [](const Prediction& guess) { return !(guess.probability > kLikely); });
  all.erase(unlikely, all.end());
  return all;
}

std::optional<SafetensorsWriter> begin_output(const AttentionRequest& request,
                                              const models::AttentionMaps& tried, std::int64_t images,
                                              DataType type, const UsedRecord& used) {
  if (request.output.empty()) return std::nullopt;
  auto metadata = used_metadata(used);
  metadata["maps_of"] = tried.of_classes ? "classes" : "heads";
  metadata["cell"] = fmt::to_string(tried.cell);
  const at::Tensor& weights = tried.weights;
  const SafetensorsWriter::Entry entry{type, {images, weights.size(1), weights.size(2), weights.size(3)}};
  return std::make_optional<SafetensorsWriter>(
      request.output, std::map<std::string, SafetensorsWriter::Entry>{{"attention", entry}}, metadata);
}

}  // namespace

AttentionCount show_attention(const Config& config, const AttentionRequest& request) {
  const at::NoGradGuard no_grad;
  sharding::LocalCommunicator alone;
  const c10::Device device = choose_device(config.run.device, request.gpus, alone);
  request.say(describe_devices(device, alone, ""));
  const std::string checkpoint = resolved_checkpoint(request.checkpoint);
  const auto model = load_model(config, checkpoint, device, request.say);
  const auto dataset =
      datasets::open_unlabelled(config.data.val, {.given_as = "data.val =", .classes = config.data.classes});
  const DataType type = compute_type(config.precision.compute);
  const datasets::EvaluationTransform transform{config.model.image_size, config.evaluation.crop_ratio,
                                                config.data.normalisation};
  const std::int64_t side = transform.image_size;
  const auto like = at::TensorOptions(tensor_type(type)).device(device);
  const models::AttentionMaps tried = maps_of(*model, at::zeros({1, 3, side, side}, like));
  const UsedRecord used{weights_origin(config, checkpoint), config.data.val, dataset->fingerprint(),
                        utc_time()};
  AttentionCount count{std::min(request.samples, dataset->size()), 0};
  if (request.begin) request.begin();
  auto output = begin_output(request, tried, count.images, sum_type(type), used);
  if (request.take_used) request.take_used(used);

  const datasets::Normaliser normaliser(transform.normalisation);
  const auto floats = static_cast<std::size_t>(3 * side * side);
  datasets::EvaluationLoader loader(dataset, {}, transform,
                                    std::min(config.evaluation.batch_size, count.images), config.data.workers,
                                    batch_memory(device), datasets::OnDamage::report);
  datasets::EvaluationBatch batch;
  for (std::int64_t done = 0; done < count.images && loader.next(batch); done += batch.images_count) {
    const at::Tensor images = image_tensor(batch.images, batch.images_count, side, type, device);
    const models::AttentionMaps maps = maps_of(*model, images);
    const at::Tensor logits = evaluation_logits(*model, images, false).to(at::kCPU);
    const std::int64_t wanted = std::min(batch.images_count, count.images - done);
    for (std::int64_t i = 0; i < wanted; ++i) {
      const std::int64_t index = batch.indices[static_cast<std::size_t>(i)];
      const at::Tensor weights = maps.weights[i].to(tensor_type(sum_type(type))).contiguous();
      const auto damage = batch.damaged.find(static_cast<std::uint64_t>(index));
      if (damage != batch.damaged.end()) {
        ++count.damaged;
        weights.fill_(std::numeric_limits<double>::quiet_NaN());
        request.take_damaged(dataset->name(index), damage->second);
      } else {
        const std::span planes(batch.images.data() + static_cast<std::size_t>(i) * floats, floats);
        const std::vector<Prediction> likely = likely_classes(logits[i]);
        request.take({dataset->name(index), picture_of(planes, static_cast<int>(side), normaliser), likely,
                      shown_maps(weights, maps, likely)});
      }
      if (output) output->append({static_cast<const std::byte*>(weights.const_data_ptr()), weights.nbytes()});
    }
  }
  if (output) output->commit();
  return count;
}

}  // namespace vitrail::trainer
