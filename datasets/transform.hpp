// From a sample to what the model sees: decode, look at a part of it, resize, change pixels, normalise.
// `out` is [3, image_size, image_size] floats, normalised with ImageNet's mean and standard deviation; a
// sample that is a tensor is copied as it is. Throws: Error(bad_data) for a record that cannot be decoded or
// a tensor of another size; nothing here knows the sample's name, callers add it (Dataset::place).
#pragma once

#include <cstdint>
#include <span>

#include "datasets/data_config.hpp"
#include "datasets/dataset.hpp"

namespace vitrail::datasets {

// All that the random draws of a sample depend on.
struct SampleKey {
  std::uint64_t seed = 0, epoch = 0, sample = 0;
  std::uint32_t copy = 0;  // of the sample in its epoch
};

void transform_for_training(const Sample& sample, const AugmentConfig& config, const SampleKey& key,
                            int image_size, std::span<float> out);
void transform_for_evaluation(const Sample& sample, const EvaluationTransform& transform,
                              std::span<float> out);

Image pixels_of(const Sample& sample);  // of one that is no tensor

}  // namespace vitrail::datasets
