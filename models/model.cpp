#include "models/model.hpp"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "models/families/families.hpp"
#include "models/families/task_head.hpp"
#include "models/features.hpp"
#include "models/heads/logits.hpp"
#include "models/layers/bound.hpp"
#include "models/layers/stochastic_depth.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::models {
namespace {

bool are_images(const at::Tensor& images, std::int64_t size) {
  return images.dim() == 4 && images.sizes().slice(1) == at::IntArrayRef({3, size, size});
}

}  // namespace

at::Tensor Logits::mean() const {
  return distillation.defined() ? (widened(classes) + widened(distillation)) / 2 : widened(classes);
}

Model::Model(std::string name, std::int64_t image_size, ParameterSpecs specs, std::optional<Head> head,
             DropPath drop_path)
    : name_(std::move(name)),
      image_size_(image_size),
      specs_(std::move(specs)),
      head_(std::move(head)),
      drop_path_(std::move(drop_path)) {}

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

void Model::check_images(const at::Tensor& images, const Pass& pass) const {
  const std::int64_t size = pass.image_size == 0 ? image_size_ : pass.image_size;
  const auto smallest = smallest_view();
  if (size != image_size_ && (!smallest || size < *smallest)) {
    throw Error(ExitCode::refused,
                fmt::format("{} at {} px cannot look at images of {} px as well", name_, image_size_, size),
                smallest ? fmt::format("give it views of at least one patch, {} px", *smallest)
                         : "it looks at one size alone: give it no smaller views, or views of its size");
  }
  if (are_images(images, size)) return;
  throw Error(
      ExitCode::refused,
      fmt::format("{} takes images of shape [B, 3, {}, {}], got {}: set model.image_size to their size",
                  name_, size, size, format_shape(images.sizes().vec())));
}

Pass Model::with_rows(const Pass& pass, const at::Tensor& images) const {
  Pass own = pass;
  const bool drops = std::ranges::any_of(drop_path_.rates, [](double rate) { return rate > 0; });
  if (pass.training && drops)
    own.rows = std::make_shared<const KeptRows>(drop_path_, pass, images.size(0), images.device());
  return own;
}

Bound Model::bound() const { return {tensors_, as_on_gpu_}; }

Features Model::features(const at::Tensor& images, const Pass& pass) const {
  if (tensors_.size() != specs_.size()) throw Error(ExitCode::crash, name_ + ": forward before bind");
  check_images(images, pass);
  Features features = body(images, with_rows(pass, images));
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
  const auto* const probe = head_ ? std::get_if<ProbeHead>(&*head_) : nullptr;
  if (probe == nullptr) return logits(features(images, pass), pass);
  Pass own = pass;
  own.features = probe->reads;
  return logits(features(images, own), own);
}

Logits Model::logits(const Features& features, const Pass& pass) const {
  if (!head_) return {features.pooled, features.distillation};
  return std::visit([&](const auto& head) { return head(features, bound(), pass); }, *head_);
}

std::unique_ptr<Model> make_model(const ModelConfig& config) {
  const FamilyConfig family = resolve(config);
  std::unique_ptr<Model> model = std::visit([](const auto& one) { return make(one); }, family);
  if (config.task_head) {
    Declaration declared(std::move(model->specs_));
    model->head_ = declare_task_head(declared, *config.task_head, family);
    model->specs_ = declared.parameters();
  }
  return model;
}

}  // namespace vitrail::models
