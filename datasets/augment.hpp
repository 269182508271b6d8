// Random crop and flip, the evaluation transform, and normalisation. Drawing parameters is apart from
// applying them, so a preview or a test can fix them. Pixels and rounding rules are those of timm 1.0.31 and
// torchvision on Pillow images: crop, bicubic resize, flip, then x / 255, minus mean, over standard
// deviation, each rounded to float. Throws: Error(refused) for parameters that do not fit the image.
#pragma once

#include <optional>
#include <span>

#include "datasets/data_config.hpp"
#include "datasets/image.hpp"
#include "datasets/resize.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {

struct CropFlip {
  std::optional<Box> box;  // absent (augment.crop = none): the evaluation transform at crop ratio 1
  bool flip = false;

  bool operator==(const CropFlip&) const = default;
};

// RandomResizedCrop: up to ten tries at a box of uniform area and log-uniform ratio 3/4 .. 4/3 that fits at a
// uniform place; then the central box of the nearest allowed ratio. Flip with probability 1/2, drawn after
// it.
CropFlip draw_crop_flip(const AugmentConfig& config, int width, int height, Philox& stream);

// Both write [3, image_size, image_size] floats, normalised with ImageNet's mean and standard deviation.
void apply_crop_flip(const Image& image, const CropFlip& parameters, int image_size, std::span<float> out);
void apply_evaluation(const Image& image, const EvaluationTransform& transform, std::span<float> out);

// Where the evaluation transform looks: the image scaled to width x height, and the centre of that.
struct EvaluationGeometry {
  int width = 0, height = 0;
  Box window;
};
EvaluationGeometry evaluation_geometry(int width, int height, const EvaluationTransform& transform);

// [h, w, 3] bytes -> [3, h, w] floats, mirrored left to right if `flip`.
void normalise(const Image& image, bool flip, std::span<float> out);

}  // namespace vitrail::datasets
