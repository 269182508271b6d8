#include "datasets/mixing.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr double kCutMixProbability = 0.5;  // where both are on

void blend(double weight, std::span<float> a, std::span<float> b) {
  const auto own = static_cast<float>(weight);
  const auto other = static_cast<float>(1.0 - weight);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float first = a[i], second = b[i];
    a[i] = first * own + second * other;
    b[i] = second * own + first * other;
  }
}

void swap_box(const Box& box, int image_size, std::span<float> a, std::span<float> b) {
  for (int channel = 0; channel < 3; ++channel) {
    for (int y = box.y; y < box.y + box.height; ++y) {
      const std::ptrdiff_t begin = (std::ptrdiff_t{channel} * image_size + y) * image_size + box.x;
      std::swap_ranges(a.begin() + begin, a.begin() + begin + box.width, b.begin() + begin);
    }
  }
}

}  // namespace

void check_mixing(const AugmentConfig& config, std::int64_t lane_batch_size) {
  if (!mixes(config) || lane_batch_size % 2 == 0) return;
  throw Error(
      ExitCode::refused,
      fmt::format("augment.mixup and augment.cutmix pair the images of a lane, but data.global_batch_size / "
                  "run.lanes = {} is odd",
                  lane_batch_size),
      "change data.global_batch_size or run.lanes so that it is even");
}

Mix draw_mix(const AugmentConfig& config, int image_size, Philox& stream) {
  const bool both = config.mixup > 0.0 && config.cutmix > 0.0;
  const bool cut = both ? stream.uniform() < kCutMixProbability : config.cutmix > 0.0;
  const double alpha = cut ? config.cutmix : config.mixup;
  const double weight = stream.beta(alpha, alpha);
  if (!cut) return {.weight = weight, .box = {}};
  const auto side = static_cast<std::uint64_t>(image_size);
  const auto centre_y = static_cast<int>(stream.below(side));
  const auto centre_x = static_cast<int>(stream.below(side));
  return cut_mix(weight, image_size, centre_x, centre_y);
}

Mix cut_mix(double weight, int image_size, int centre_x, int centre_y) {
  const auto side = static_cast<int>(image_size * std::sqrt(1.0 - weight));
  const auto clip = [image_size](int v) { return std::clamp(v, 0, image_size); };
  const int left = clip(centre_x - side / 2), right = clip(centre_x + (side + 1) / 2);
  const int top = clip(centre_y - side / 2), bottom = clip(centre_y + (side + 1) / 2);
  const Box box{left, top, right - left, bottom - top};
  const double area = static_cast<double>(box.width) * box.height;
  return {.weight = 1.0 - area / (static_cast<double>(image_size) * image_size), .box = box};
}

void apply_mix(const Mix& mix, int image_size, LaneBatch& batch) {
  const auto count = static_cast<std::size_t>(batch.images_count);
  const std::size_t image_floats = batch.images.size() / count;
  for (std::size_t i = 0; i < count / 2; ++i) {
    const auto image = [&](std::size_t k) {
      return std::span(batch.images).subspan(k * image_floats, image_floats);
    };
    const auto own = image(i), partner = image(count - 1 - i);
    if (mix.box) {
      swap_box(*mix.box, image_size, own, partner);
    } else {
      blend(mix.weight, own, partner);
    }
  }
  std::fill(batch.weights.begin(), batch.weights.end(), mix.weight);
  std::reverse_copy(batch.labels.begin(), batch.labels.end(), batch.partner_labels.begin());
}

}  // namespace vitrail::datasets
