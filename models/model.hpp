// What every model is: parameters as its family declares them, known before anything is allocated, and a
// forward pass over tensors that somebody else owns: a body, whose features a head turns into logits. Shapes:
// images [B,3,S,S] -> features [B,D] -> logits [B,K]. Throws: Error(refused) for a configuration that cannot
// exist or images of another shape, Error(usage) for an unknown name (nearest named).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/declaration.hpp"
#include "models/feature_choice.hpp"
#include "models/heads/head.hpp"
#include "models/layers/drop_path_mask.hpp"
#include "models/model_config.hpp"

namespace at {
class Tensor;
}

namespace vitrail::models {

struct Features;  // features.hpp
class KeptRows;   // layers/stochastic_depth.hpp

// What a forward pass draws from and reports to.
struct Pass {
  bool training = false;
  std::uint64_t seed = 0;  // with step and lane: the key of the stochastic-depth draws
  std::uint64_t step = 0;
  std::uint64_t lane = 0;
  double drop_path_scale = 1;  // of every layer's rate
  // May be empty; called with the blocks of the declaration, in their order: 0 (embedding, stem), blocks from
  // 1 on, at last final norm and head. Not called again where backward computes a block a second time.
  std::function<void(int)> before_block = nullptr;
  // Which of `images` a branch (0 attention, 1 MLP; of P parallel ones 0..P-1 and P..2P-1) of layer
  // 0..depth-1 is computed for, ascending. Empty: the draw of drop_path_mask.hpp. Set by comparisons
  // with other frameworks.
  std::function<std::vector<std::int64_t>(int layer, int branch, std::int64_t images)> kept_images = nullptr;
  // Of the images, where it is another than the model's; 0: the model's. Networks that can take it.
  std::int64_t image_size = 0;
  std::uint64_t number = 0;  // of several passes for one lane, each with draws of its own
  // Which elements of x dropout keeps, booleans, in place number `site`: 0 behind the positions, then those
  // of layers' branches. Empty: the draw of dropout_mask.hpp. Set by comparisons.
  std::function<at::Tensor(int site, const at::Tensor& x)> kept_elements = nullptr;
  bool memory_probe =
      false;  // every branch is computed for as many images as a draw ever keeps: the first ones
  // In training, for every statistic: what it is in this batch. May be empty.
  std::function<void(ParameterId, const at::Tensor&)> batch_statistic = nullptr;
  // Whether a statistic is of this batch in training; else batch norm works with it as in evaluation. Empty:
  // all are.
  std::function<bool(ParameterId)> follows_batch = nullptr;

  FeatureChoice features = {};  // beside those that every head reads; but for tokens not while training
  // Patches that are looked at, the others are not there: of each image as many, ascending, image after
  // image. Empty: all. Networks whose head paints the others.
  std::vector<std::int64_t> visible = {};
  std::shared_ptr<const KeptRows> rows = nullptr;  // of stochastic depth: the model's own

  // Whether anything looks at patches behind the last block of a network whose head reads a class token. In
  // evaluation they are computed all the same: products of a few rows differ in their last bits with how many
  // they are, and answers shall not depend on the batch.
  bool reads_patches() const { return !training || features.mean || features.tokens; }

  void enter(int block) const {
    if (before_block) before_block(block);
  }
};

class Model {
 public:
  virtual ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // timm's order, close to the order of the forward pass.
  const ParameterSpecs& parameters() const { return specs_; }
  // One tensor per parameter, of its shape, in that order; the model keeps the handles and nothing made from
  // them. Throws: Error(crash) for tensors that do not fit.
  void bind(const std::vector<at::Tensor>& tensors);
  // On CPUs, too, by the passes of a GPU: for tests.
  void compute_as_on_gpu() { as_on_gpu_ = true; }
  Features features(const at::Tensor& images, const Pass& pass) const;
  // What its head makes of features.
  Logits logits(const Features& features, const Pass& pass) const;
  // With activation checkpointing the model must outlive the graph: backward comes back to it.
  Logits forward(const at::Tensor& images, const Pass& pass) const;

 protected:
  // Without a head the features are what the network gives.
  Model(std::string name, std::int64_t image_size, ParameterSpecs specs, std::optional<Head> head,
        DropPath drop_path);
  // Side of the smallest images of another size than the model's that body() can look at; absent: of none.
  virtual std::optional<std::int64_t> smallest_view() const { return std::nullopt; }
  // Images are of the model's shape, or not smaller than its smallest view, and tensors are bound.
  virtual Features body(const at::Tensor& images, const Pass& pass) const = 0;
  Bound bound() const;

 private:
  friend std::unique_ptr<Model> make_model(const ModelConfig& config);

  void check_images(const at::Tensor& images, const Pass& pass) const;
  Pass with_rows(const Pass& pass, const at::Tensor& images) const;

  std::string name_;
  std::int64_t image_size_;
  ParameterSpecs specs_;
  std::optional<Head> head_;
  DropPath drop_path_;
  std::vector<at::Tensor> tensors_;
  bool as_on_gpu_ = false;
};

std::unique_ptr<Model> make_model(const ModelConfig& config);

}  // namespace vitrail::models
