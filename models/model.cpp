#include "models/model.hpp"

#include <utility>

#include <ATen/ATen.h>

#include "models/families/families.hpp"
#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/bound.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

void check_images(const at::Tensor& images, const std::string& model, std::int64_t image_size) {
  if (images.dim() == 4 && images.sizes().slice(1) == at::IntArrayRef({3, image_size, image_size})) return;
  throw Error(
      ExitCode::refused,
      fmt::format("{} takes images of shape [B, 3, {}, {}], got {}: set model.image_size to their size",
                  model, image_size, image_size, format_shape(images.sizes().vec())));
}

}  // namespace

at::Tensor Logits::mean() const {
  return distillation.defined() ? (widened(classes) + widened(distillation)) / 2 : widened(classes);
}

Model::Model(std::string name, std::int64_t image_size, ParameterSpecs specs, std::optional<Head> head)
    : name_(std::move(name)), image_size_(image_size), specs_(std::move(specs)), head_(std::move(head)) {}

Model::~Model() = default;

void Model::bind(const std::vector<at::Tensor>& tensors) {
  if (tensors.size() != specs_.size()) {
    throw Error(ExitCode::crash,
                fmt::format("{}: {} tensors bound to {} parameters", name_, tensors.size(), specs_.size()));
  }
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (tensors[i].sizes() == at::IntArrayRef(specs_[i].shape)) continue;
    throw Error(ExitCode::crash,
                fmt::format("{}: parameter {} is {}, the tensor bound to it {}", name_, specs_[i].name,
                            format_shape(specs_[i].shape), format_shape(tensors[i].sizes().vec())));
  }
  tensors_ = tensors;
}

Bound Model::bound() const { return {tensors_, as_on_gpu_}; }

Features Model::features(const at::Tensor& images, const Pass& pass) const {
  if (tensors_.size() != specs_.size()) throw Error(ExitCode::crash, name_ + ": forward before bind");
  check_images(images, name_, image_size_);
  Features features = body(images, pass);
  if (static_cast<std::int64_t>(features.blocks.size()) < pass.features.blocks) {
    throw Error(ExitCode::refused, fmt::format("{} has features of its last {} blocks, not of {}", name_,
                                               features.blocks.size(), pass.features.blocks));
  }
  if (pass.features.attention && !features.attention) {
    throw Error(ExitCode::refused,
                name_ + " has no class token that asks patches: there is no attention to show",
                "ViT, DeiT, CaiT, XCiT, ConViT, PatchConvNet and resnet50_attn have maps");
  }
  return features;
}

Logits Model::forward(const at::Tensor& images, const Pass& pass) const {
  const Features all = features(images, pass);
  if (!head_) return {all.pooled, all.distillation};
  return std::visit([&](const auto& head) { return head(all, bound()); }, *head_);
}

std::unique_ptr<Model> make_model(const ModelConfig& config) {
  return std::visit([](const auto& family) { return make(family); }, resolve(config));
}

}  // namespace vitrail::models
