// From a sample of a data set to its place in a batch, with the name of what failed. A damaged record (CRC or
// decoder) is read three times more before it is given up. Throws: DamagedRecord; what else Dataset::read()
// and the transform throw. Checks shared by the loaders throw Error(refused) naming the option.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "datasets/dataset.hpp"
#include "datasets/loader/loader.hpp"

namespace vitrail::datasets {

// `first_read`: where the sample is read the first time; empty: dataset.read(). `transform` may run again.
void write_sample(const Dataset& dataset, std::int64_t index, const std::function<Sample()>& first_read,
                  const std::function<void(const Sample&)>& transform);

// [3, S, S] floats of image `item` of a batch.
std::span<float> floats_of(PixelBuffer& images, std::int64_t item, std::int64_t image_size);

void require(bool condition, const std::string& message, const std::string& hint = {});
void check_lanes(const LaneShare& plan);
// Tensors come in one size, which no transform may change.
void check_image_size(const Dataset& dataset, std::int64_t image_size);

}  // namespace vitrail::datasets
