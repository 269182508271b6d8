#include "datasets/augment/mixing.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

// own * weight + other * (1 - weight), where `a` is one's own image and then the other way round.
void blend(double weight, std::span<float> a, std::span<float> b) {
  const auto own = static_cast<float>(weight);
  const auto other = static_cast<float>(1.0 - weight);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float first = a[i], second = b[i];
    a[i] = first * own + second * other;
    b[i] = second * own + first * other;
  }
}

// Calls `take` with where each row of the box begins in a picture, and its length.
template <class Take>
void for_rows(const Box& box, int image_size, const Take& take) {
  for (int channel = 0; channel < 3; ++channel) {
    for (int y = box.y; y < box.y + box.height; ++y) {
      take((std::ptrdiff_t{channel} * image_size + y) * image_size + box.x, std::ptrdiff_t{box.width});
    }
  }
}

// Both images take the same part of each other.
void mix_pair(const Mix& mix, int image_size, std::span<float> a, std::span<float> b) {
  if (!mix.box) return blend(mix.weight, a, b);
  for_rows(*mix.box, image_size, [&](std::ptrdiff_t begin, std::ptrdiff_t count) {
    std::swap_ranges(a.begin() + begin, a.begin() + begin + count, b.begin() + begin);
  });
}

void mix_one(const Mix& mix, int image_size, std::span<const float> partner, std::span<float> image) {
  if (mix.box) {
    for_rows(*mix.box, image_size, [&](std::ptrdiff_t begin, std::ptrdiff_t count) {
      std::copy_n(partner.begin() + begin, count, image.begin() + begin);
    });
    return;
  }
  const auto own = static_cast<float>(mix.weight), other = static_cast<float>(1.0 - mix.weight);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = image[i] * own + partner[i] * other;
}

Mix draw_mix(const AugmentConfig& config, int image_size, Philox& stream) {
  if (config.mix_probability < 1.0 && stream.uniform() >= config.mix_probability) return {};
  const bool both = config.mixup > 0.0 && config.cutmix > 0.0;
  const bool cut = both ? stream.uniform() < config.switch_probability : config.cutmix > 0.0;
  const double alpha = cut ? config.cutmix : config.mixup;
  const double weight = stream.beta(alpha, alpha);
  if (!cut) return {.weight = weight, .box = {}};
  const auto side = static_cast<std::uint64_t>(image_size);
  const auto centre_y = static_cast<int>(stream.below(side));
  const auto centre_x = static_cast<int>(stream.below(side));
  return cut_mix(weight, image_size, centre_x, centre_y);
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

void check_mixing(const std::vector<ViewPlan>& views, std::int64_t lane_batch_size) {
  for (const ViewPlan& view : views) {
    check_mixing(view.augment, lane_batch_size);
    if (views.size() == 1 || !mixes(view.augment)) continue;
    throw Error(
        ExitCode::refused,
        fmt::format("augment.mixup and augment.cutmix mix one view of a sample, there are {}", views.size()),
        "set both to 0");
  }
}

std::vector<Mix> draw_mixes(const AugmentConfig& config, int image_size, std::int64_t images,
                            Philox& stream) {
  const auto count = static_cast<std::size_t>(images);
  if (config.mix_mode == MixMode::batch) return {count, draw_mix(config, image_size, stream)};
  std::vector<Mix> mixes(count);
  const bool paired = config.mix_mode == MixMode::pair;
  for (std::size_t i = 0; i < (paired ? count / 2 : count); ++i) {
    mixes[i] = draw_mix(config, image_size, stream);
    mixes[i].weight = static_cast<float>(mixes[i].weight);  // timm keeps a batch's weights as floats
    if (paired) mixes[count - 1 - i] = mixes[i];
  }
  return mixes;
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

void apply_mixes(const std::vector<Mix>& mixes, int image_size, LaneBatch& batch) {
  const auto count = static_cast<std::size_t>(batch.images_count);
  const std::span<float> images(batch.views.front());
  const std::size_t image_floats = images.size() / count;
  std::vector<float> unmixed;
  for (std::size_t i = 0; i < count / 2; ++i) {
    const std::size_t j = count - 1 - i;
    const auto image = [&](std::size_t k) { return images.subspan(k * image_floats, image_floats); };
    if (mixes[i] == mixes[j]) {
      if (mixes[i] != Mix{}) mix_pair(mixes[i], image_size, image(i), image(j));
      continue;
    }
    unmixed.assign(image(i).begin(), image(i).end());
    if (mixes[i] != Mix{}) mix_one(mixes[i], image_size, image(j), image(i));
    if (mixes[j] != Mix{}) mix_one(mixes[j], image_size, unmixed, image(j));
  }
  for (std::size_t i = 0; i < count; ++i) batch.weights[i] = mixes[i].weight;
  std::reverse_copy(batch.labels.begin(), batch.labels.end(), batch.partner_labels.begin());
}

}  // namespace vitrail::datasets
