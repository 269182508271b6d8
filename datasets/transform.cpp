#include "datasets/transform.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "datasets/augment.hpp"
#include "datasets/codec.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

// True for a ready tensor, which is then in `out`.
bool copy_tensor(const Sample& sample, std::span<float> out) {
  if (sample.tensor.empty()) return false;
  if (sample.tensor.size() != out.size()) {
    throw Error(ExitCode::bad_data,
                fmt::format("a tensor of {} values instead of {}", sample.tensor.size(), out.size()));
  }
  std::copy(sample.tensor.begin(), sample.tensor.end(), out.begin());
  return true;
}

}  // namespace

Image pixels_of(const Sample& sample) {
  return sample.image.rgb.empty() ? decode_image(sample.encoded) : sample.image;
}

void transform_for_training(const Sample& sample, const AugmentConfig& config, const SampleKey& key,
                            int image_size, std::span<float> out) {
  if (copy_tensor(sample, out)) return;
  const Image image = pixels_of(sample);
  Philox stream(key.seed, Purpose::augment, key.epoch, key.sample, key.copy);
  apply_crop_flip(image, draw_crop_flip(config, image.width, image.height, stream), image_size, out);
}

void transform_for_evaluation(const Sample& sample, const EvaluationTransform& transform,
                              std::span<float> out) {
  if (!copy_tensor(sample, out)) apply_evaluation(pixels_of(sample), transform, out);
}

}  // namespace vitrail::datasets
