#include "datasets/augment/augmentation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "datasets/augment/autoaugment.hpp"
#include "datasets/augment/randaugment.hpp"
#include "datasets/augment/trivialaugment.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kTries = 10;
constexpr double kMinRatio = 3.0 / 4.0;
constexpr double kMaxRatio = 4.0 / 3.0;
constexpr int kPadding = 4;  // pixels around the picture of a simple random crop, reflected or black

constexpr double kMinBlur = 0.1, kMaxBlur = 2.0;  // of 3-Augment, and of views
constexpr double kSolarizeFrom = 128;

constexpr double kMinErased = 0.02, kMaxErased = 1.0 / 3.0;  // shares of the area
constexpr double kMinErasedRatio = 0.3;
constexpr std::uint64_t kFirstNoiseDraw = 1 << 16;  // far behind a sample's other draws

// To the nearest integer, halves to the even one: Python's round().
int round_half_even(double x) { return static_cast<int>(std::nearbyint(x)); }

int draw_up_to(int most, Philox& stream) {
  return static_cast<int>(stream.below(static_cast<std::uint64_t>(most) + 1));
}

Box central_box(int width, int height) {
  const double ratio = static_cast<double>(width) / height;
  int w = width, h = height;
  if (ratio < kMinRatio) h = round_half_even(w / kMinRatio);
  if (ratio > kMaxRatio) w = round_half_even(h * kMaxRatio);
  return {(width - w) / 2, (height - h) / 2, w, h};
}

// RandomResizedCrop: up to ten tries at a box of uniform area and log-uniform ratio 3/4 .. 4/3 that fits at a
// uniform place; then the central box of the nearest allowed ratio.
Box draw_box(double min_area, double max_area, int width, int height, Philox& stream) {
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < kTries; ++i) {
    const double target = stream.uniform(min_area, max_area) * area;
    const double ratio = std::exp(stream.uniform(std::log(kMinRatio), std::log(kMaxRatio)));
    const int w = round_half_even(std::sqrt(target * ratio));
    const int h = round_half_even(std::sqrt(target / ratio));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const int y = draw_up_to(height - h, stream);
    const int x = draw_up_to(width - w, stream);
    return {x, y, w, h};
  }
  return central_box(width, height);
}

// The whole image with its shorter side scaled to `shorter`, the longer one rounded down. No window yet.
View scaled_view(int width, int height, int shorter) {
  const std::int64_t longer = std::int64_t{shorter} * std::max(width, height) / std::min(width, height);
  if (longer > std::numeric_limits<int>::max()) {
    throw Error(ExitCode::bad_data, fmt::format("an image of {}x{} is too narrow to scale", width, height));
  }
  View view;
  view.source = {0, 0, width, height};
  view.width = width <= height ? shorter : static_cast<int>(longer);
  view.height = width <= height ? static_cast<int>(longer) : shorter;
  return view;
}

View draw_view(const AugmentConfig& config, int width, int height, int image_size, Philox& stream) {
  View view;
  if (config.crop == Crop::none) {
    view = evaluation_view(width, height, {.image_size = image_size});
  } else if (config.crop == Crop::src || config.crop == Crop::pad) {
    view = scaled_view(width, height, image_size);
    const int y = draw_up_to(view.height + 2 * kPadding - image_size, stream) - kPadding;
    const int x = draw_up_to(view.width + 2 * kPadding - image_size, stream) - kPadding;
    view.window = {x, y, image_size, image_size};
    view.black_outside = config.crop == Crop::pad;
  } else {
    view.source = draw_box(config.crop_min_area, config.crop_max_area, width, height, stream);
    view.width = view.height = image_size;
    view.window = {0, 0, image_size, image_size};
  }
  if (config.flip) view.mirrored = stream.uniform() < 0.5;
  return view;
}

// Exactly one of three.
Operation draw_three_augment(Philox& stream) {
  switch (stream.below(3)) {
    case 0:
      return {OperationKind::grey};
    case 1:
      return {OperationKind::solarize, kSolarizeFrom};
    default:
      return {OperationKind::blur, stream.uniform(kMinBlur, kMaxBlur)};
  }
}

// Brightness, contrast and saturation in a random order.
std::array<Operation, 3> draw_color_jitter(double strength, Philox& stream) {
  std::array<Operation, 3> jitter = {
      {{OperationKind::brightness}, {OperationKind::contrast}, {OperationKind::saturation}}};
  for (std::size_t i = jitter.size(); i > 1; --i) std::swap(jitter[i - 1], jitter[stream.below(i)]);
  for (Operation& operation : jitter) {
    operation.argument = stream.uniform(std::max(0.0, 1.0 - strength), 1.0 + strength);
  }
  return jitter;
}

double draw_factor(double strength, Philox& stream) {
  return stream.uniform(std::max(0.0, 1.0 - strength), 1.0 + strength);
}

// torchvision's ColorJitter, RandomGrayscale, then DINO's blur and solarisation.
std::vector<Operation> draw_distortion(const ColourDistortion& config, Philox& stream) {
  std::vector<Operation> drawn;
  if (config.jitter > 0 && stream.uniform() < config.jitter) {
    std::array<Operation, 4> jitter = {{{OperationKind::brightness, draw_factor(config.brightness, stream)},
                                        {OperationKind::contrast, draw_factor(config.contrast, stream)},
                                        {OperationKind::saturation, draw_factor(config.saturation, stream)},
                                        {OperationKind::hue, stream.uniform(-config.hue, config.hue)}}};
    for (std::size_t i = jitter.size(); i > 1; --i) std::swap(jitter[i - 1], jitter[stream.below(i)]);
    drawn.assign(jitter.begin(), jitter.end());
  }
  if (config.grey > 0 && stream.uniform() < config.grey) drawn.push_back({OperationKind::grey});
  if (config.blur > 0 && stream.uniform() < config.blur)
    drawn.push_back({OperationKind::blur, stream.uniform(kMinBlur, kMaxBlur)});
  if (config.solarize > 0 && stream.uniform() < config.solarize)
    drawn.push_back({OperationKind::solarize, kSolarizeFrom});
  return drawn;
}

// At most one of the settings has its way; 3-Augment is a recipe of its own, without the others.
std::vector<Operation> draw_policy(const AugmentConfig& config, int image_size, Philox& stream) {
  if (config.three_augment) return {draw_three_augment(stream)};
  if (!config.randaugment.empty())
    return draw_operations(parse_randaugment(config.randaugment), image_size, stream);
  if (!config.autoaugment.empty())
    return draw_operations(parse_autoaugment(config.autoaugment), image_size, stream);
  if (!config.trivial_augment) return {};
  const auto drawn = draw_trivial_augment(stream);
  return drawn ? std::vector{*drawn} : std::vector<Operation>();
}

std::optional<Box> draw_erased_box(double share_of_area, int image_size, Philox& stream) {
  const double area = static_cast<double>(image_size) * image_size;
  const double limit = std::log(1.0 / kMinErasedRatio);
  for (int i = 0; i < kTries; ++i) {
    const double target = stream.uniform(kMinErased, kMaxErased) * area * share_of_area;
    const double ratio = std::exp(stream.uniform(-limit, limit));
    const int h = round_half_even(std::sqrt(target * ratio));
    const int w = round_half_even(std::sqrt(target / ratio));
    if (w >= image_size || h >= image_size) continue;
    const int y = draw_up_to(image_size - h, stream);
    const int x = draw_up_to(image_size - w, stream);
    return Box{x, y, w, h};
  }
  return std::nullopt;
}

std::vector<Erasure> draw_erasures(const AugmentConfig& config, int image_size, Philox& stream) {
  std::vector<Erasure> erased;
  if (config.random_erasing == 0.0 || stream.uniform() > config.random_erasing) return erased;
  const auto most = static_cast<std::uint64_t>(config.random_erasing_count);
  const std::uint64_t count = 1 + stream.below(most);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::optional<Box> box = draw_erased_box(1.0 / static_cast<double>(count), image_size, stream);
    if (!box) continue;
    Erasure erasure{.box = *box, .noise = config.random_erasing_mode == ErasingMode::noise};
    if (config.random_erasing_mode == ErasingMode::colour) {
      for (float& value : erasure.colour) value = static_cast<float>(stream.normal());
    }
    erased.push_back(erasure);
  }
  return erased;
}

Philox stream_of(const SampleKey& key) {
  if (key.view == 0) return Philox(key.seed, Purpose::augment, key.epoch, key.sample, key.copy);
  return Philox(key.seed, Purpose::further_view, key.epoch, key.sample,
                (key.view - 1) * static_cast<std::uint32_t>(kMostCopiesInViews) + key.copy);
}

}  // namespace

DrawnAugmentation draw_augmentation(const AugmentConfig& config, const SampleKey& key, int width, int height,
                                    int image_size) {
  Philox stream = stream_of(key);
  DrawnAugmentation drawn;
  drawn.view = draw_view(config, width, height, image_size, stream);
  drawn.operations = draw_policy(config, image_size, stream);
  if (config.color_jitter > 0.0) {
    const auto jitter = draw_color_jitter(config.color_jitter, stream);
    drawn.operations.insert(drawn.operations.end(), jitter.begin(), jitter.end());
  }
  const auto distorted = draw_distortion(config.distortion, stream);
  drawn.operations.insert(drawn.operations.end(), distorted.begin(), distorted.end());
  if (!config.three_augment) drawn.erased = draw_erasures(config, image_size, stream);
  return drawn;
}

void erase(const std::vector<Erasure>& erased, const SampleKey& key, int image_size,
           std::span<float> picture) {
  Philox noise = stream_of(key);
  noise.seek(kFirstNoiseDraw);
  for (const Erasure& erasure : erased) {
    const Box& box = erasure.box;
    for (int c = 0; c < 3; ++c) {
      for (int y = box.y; y < box.y + box.height; ++y) {
        const std::ptrdiff_t begin = (std::ptrdiff_t{c} * image_size + y) * image_size + box.x;
        const std::span<float> row =
            picture.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(box.width));
        const float colour = erasure.colour[static_cast<std::size_t>(c)];
        for (float& value : row) value = erasure.noise ? static_cast<float>(noise.normal()) : colour;
      }
    }
  }
}

View evaluation_view(int width, int height, const EvaluationTransform& transform, int crop) {
  const auto size = static_cast<int>(transform.image_size);
  const double shorter = std::floor(size / transform.crop_ratio);
  if (!(shorter >= size && shorter <= 1 << 20)) {
    throw Error(ExitCode::refused,
                fmt::format("evaluate.crop_ratio = {}: an image scaled to {} has no centre of {}",
                            transform.crop_ratio, shorter, size),
                "choose a value in (0, 1]");
  }
  View view = scaled_view(width, height, static_cast<int>(shorter));
  view.window = {round_half_even((view.width - size) / 2.0), round_half_even((view.height - size) / 2.0),
                 size, size};
  if (crop < transform.crops_count() - 1) {
    view.window.x = crop % 2 == 0 ? 0 : view.width - size;
    view.window.y = crop < 2 ? 0 : view.height - size;
  }
  return view;
}

}  // namespace vitrail::datasets
