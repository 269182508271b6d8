#include "datasets/augment/preview.hpp"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "datasets/augment/transform.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/codec/jpeg_encoder.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kQuality = 95;  // of a JPEG

std::size_t floats_of(const ViewPlan& view) {
  return static_cast<std::size_t>(3 * view.image_size * view.image_size);
}

Preview::Draw draw_view(const std::vector<Sample>& samples, const Preview& preview, std::size_t epoch,
                        std::size_t number) {
  const PreviewPlan& plan = preview.plan;
  const ViewPlan& view = plan.views[number];
  const auto size = static_cast<int>(view.image_size);
  LaneBatch batch;
  batch.images_count = static_cast<std::int64_t>(samples.size());
  batch.views.emplace_back(std::vector<float>(samples.size() * floats_of(view)));
  const std::span<float> images(batch.views.front());
  batch.weights.resize(samples.size());
  batch.labels.resize(samples.size());
  batch.partner_labels.resize(samples.size());
  Preview::Draw draw;
  draw.epoch = epoch;
  draw.view = number;
  Transformer transformer;
  const Normaliser normaliser(plan.normalisation);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const SampleKey key{
        .seed = plan.seed, .epoch = epoch, .sample = i, .view = static_cast<std::uint32_t>(number)};
    const Preview::Sample& shown = preview.samples[i];
    draw.samples.push_back(draw_augmentation(view.augment, key, shown.width, shown.height, size));
    transformer.train(samples[i], view.augment, key, size, normaliser,
                      images.subspan(i * floats_of(view), floats_of(view)));
  }
  if (mixes(view.augment)) {
    Philox stream(plan.seed, Purpose::mixing, epoch, 0);
    draw.mixes = draw_mixes(view.augment, size, batch.images_count, stream);
    apply_mixes(draw.mixes, size, batch);
  }
  draw.images.assign(images.begin(), images.end());
  if (plan.masked.side > 0) draw.seen = plan.masked.draw(epoch, batch.images_count);
  return draw;
}

// All pictures of all draws are held as floats.
void check_size(const PreviewPlan& plan) {
  constexpr double kMostGigabytes = 4;
  double gigabytes = 0;
  for (const ViewPlan& view : plan.views) {
    gigabytes += static_cast<double>(plan.samples) * static_cast<double>(plan.draws) *
                 static_cast<double>(floats_of(view)) * sizeof(float) / 1e9;
  }
  if (gigabytes <= kMostGigabytes) return;
  throw Error(
      ExitCode::refused,
      fmt::format("--samples {} with --draws {}: the pictures would take {:.1f} GB, the limit is {} GB",
                  plan.samples, plan.draws, gigabytes, kMostGigabytes),
      "lower one of them, or model.image_size");
}

std::string tensor_name(const ViewPlan& view) {
  if (view.name.empty()) return "images";
  std::string name = view.name;
  std::ranges::replace(name, ' ', '_');
  return name;
}

void write_tensors(const Preview& preview, const std::filesystem::path& path) {
  std::vector<std::vector<float>> images(preview.plan.views.size());
  std::vector<std::int64_t> seen;
  for (const Preview::Draw& draw : preview.draws) {
    images[draw.view].insert(images[draw.view].end(), draw.images.begin(), draw.images.end());
    seen.insert(seen.end(), draw.seen.begin(), draw.seen.end());
  }
  const auto samples = static_cast<std::int64_t>(preview.samples.size());
  std::map<std::string, TensorBytes> tensors;
  for (std::size_t v = 0; v < images.size(); ++v) {
    const ViewPlan& view = preview.plan.views[v];
    tensors[tensor_name(view)] = {DataType::f32,
                                  {preview.plan.draws, samples, 3, view.image_size, view.image_size},
                                  std::as_bytes(std::span(images[v]))};
  }
  if (!seen.empty()) {
    tensors["seen"] = {DataType::i64,
                       {preview.plan.draws, samples, preview.plan.masked.seen},
                       std::as_bytes(std::span(seen))};
  }
  write_safetensors(path, tensors);
}

}  // namespace

Preview make_preview(const Dataset& dataset, PreviewPlan plan) {
  if (dataset.tensor_image_size()) {
    throw Error(ExitCode::refused,
                fmt::format("{}: ready tensors are used as they are; there is nothing to preview",
                            dataset.describe()));
  }
  plan.samples = std::min(plan.samples, dataset.size());
  check_size(plan);
  check_mixing(plan.views, plan.samples);
  Preview preview{std::move(plan), {}, {}};
  const std::size_t views = preview.plan.views.size();
  std::vector<Sample> samples;
  for (std::int64_t i = 0; i < preview.plan.samples; ++i) {
    try {
      samples.push_back(dataset.read(i));
      const Box size = size_of(samples.back());
      const std::string class_name = dataset.classes() > 0 ? dataset.class_name(dataset.label(i)) : "";
      preview.samples.push_back({dataset.name(i), size.width, size.height, class_name});
      if (views > 1) samples.back() = decoded(samples.back());  // as the loader does
    } catch (const Error& error) {
      throw error.in(dataset.place(i));
    }
  }
  for (std::int64_t epoch = 0; epoch < preview.plan.draws; ++epoch) {
    for (std::size_t view = 0; view < views; ++view) {
      preview.draws.push_back(draw_view(samples, preview, static_cast<std::size_t>(epoch), view));
    }
  }
  return preview;
}

void write_preview(const Preview& preview, const std::filesystem::path& path) {
  const std::string extension = path.extension();
  if (extension == ".png" || extension == ".jpg" || extension == ".jpeg") {
    const Image grid = grid_of(preview);
    return write_bytes_atomically(path, extension == ".png" ? encode_png(grid) : encode_jpeg(grid, kQuality));
  }
  write_tensors(preview, path);
}

}  // namespace vitrail::datasets
