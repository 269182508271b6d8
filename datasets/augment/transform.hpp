// From a sample to what the model sees: decode what is needed of it, scale that, change bytes, normalise,
// erase. `out` is [3, image_size, image_size] floats; a sample that is a tensor is copied as it is. Throws:
// Error(bad_data) for a record that cannot be decoded as far as it is looked at, or a tensor of another size;
// nothing here knows the sample's name, callers add it (Dataset::place).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "datasets/augment/augmentation.hpp"
#include "datasets/data_config.hpp"
#include "datasets/dataset.hpp"
#include "datasets/pixels/normalise.hpp"

namespace vitrail::datasets {

// Keeps its buffers from one sample to the next: one for each thread.
class Transformer {
 public:
  void train(const Sample& sample, const AugmentConfig& config, const SampleKey& key, int image_size,
             const Normaliser& normaliser, std::span<float> out);
  // All views of a sample, out of one decoding where there are several. `out` is called once for each.
  void train(const Sample& sample, std::span<const ViewPlan> views, SampleKey key,
             const Normaliser& normaliser, const std::function<std::span<float>(std::uint32_t view)>& out);
  void evaluate(const Sample& sample, const EvaluationTransform& transform, const Normaliser& normaliser,
                std::span<float> out);

 private:
  template <class DrawView>
  void look(const Sample& sample, bool dct_scaling, const DrawView& draw_view);

  std::vector<std::uint8_t> decoded_;
  ResizeScratch scratch_;
  Image picture_, spare_;
};

// With its pixels, for several looks at it; a tensor as it is.
Sample decoded(const Sample& sample);
Image pixels_of(const Sample& sample);  // of one that is no tensor
Box size_of(const Sample& sample);      // of one that is no tensor; read from its header

}  // namespace vitrail::datasets
