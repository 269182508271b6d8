// 8-bit RGB to what a model takes: x / 255, minus a mean, over a standard deviation, each rounded to float as
// torchvision's ToTensor and Normalize do.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "datasets/pixels/image.hpp"
#include "trainer/base/normalisation.hpp"

namespace vitrail::datasets {

using ChannelFloats = std::array<float, 3>;
using NormalisedBytes = std::array<std::array<float, 256>, 3>;  // by channel and byte

class Normaliser {
 public:
  explicit Normaliser(const Normalisation& normalisation);

  void apply(const Image& image, std::span<float> out) const;  // [h, w, 3] bytes -> [3, h, w]
  // The byte that became `value` in plane `channel`, where nothing was mixed or erased; the nearest
  // otherwise.
  std::uint8_t byte_of(float value, int channel) const;

 private:
  ChannelFloats mean_{}, deviation_{};
  NormalisedBytes table_{};  // a byte has 256 values: the divisions are done once
  bool vectors_;             // products give the same bits, of all values
};

}  // namespace vitrail::datasets
