// What happens to one sample, drawn before any pixel is known: a pure function of (settings, key, size of the
// image), which can be printed and applied. The laws are those of timm 1.0.31, torchvision 0.26 and DeiT
// III's 3-Augment; the random numbers are ours. Throws: Error(refused) for settings that do not fit the
// image.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "datasets/data_config.hpp"
#include "datasets/pixels/image_operations.hpp"
#include "datasets/pixels/resize.hpp"

namespace vitrail::datasets {

// All that the random draws of a sample depend on.
struct SampleKey {
  std::uint64_t seed = 0, epoch = 0, sample = 0;
  std::uint32_t copy = 0;  // of the sample in its epoch
  std::uint32_t view = 0;  // of the copy
};

// What a key of several views has room for.
inline constexpr std::int64_t kMostViews = 256, kMostCopiesInViews = 256;

// A box of the normalised picture that is painted over.
struct Erasure {
  Box box;
  std::array<float, 3> colour{};
  bool noise = false;  // instead: a normal draw for each value, from erasure_noise's stream

  bool operator==(const Erasure&) const = default;
};

struct DrawnAugmentation {
  View view;
  std::vector<Operation> operations;  // on bytes, in this order
  std::vector<Erasure> erased;        // in this order

  bool operator==(const DrawnAugmentation&) const = default;
};

DrawnAugmentation draw_augmentation(const AugmentConfig& config, const SampleKey& key, int width, int height,
                                    int image_size);

// Paints [3, image_size, image_size] floats.
void erase(const std::vector<Erasure>& erased, const SampleKey& key, int image_size,
           std::span<float> picture);

// Shorter side to floor(image_size / crop_ratio), then the centre; of five crops the corners, from the upper
// left on, come first.
View evaluation_view(int width, int height, const EvaluationTransform& transform, int crop = 0);

}  // namespace vitrail::datasets
