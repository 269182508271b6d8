#include "datasets/augment/transform.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "datasets/codec/codec.hpp"
#include "trainer/base/error.hpp"

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

// The smallest scale of a JPEG, in eighths, at which the view still only shrinks.
int least_eighths(const View& view) {
  for (const int eighths : {1, 2, 4}) {
    if (view.source.width * std::int64_t{eighths} >= view.width * std::int64_t{8} &&
        view.source.height * std::int64_t{eighths} >= view.height * std::int64_t{8})
      return eighths;
  }
  return 8;
}

View scaled(View view, int eighths) {
  const auto scale = [eighths](int v) { return (v * eighths + 4) / 8; };
  const Box from = view.source;
  view.source = {scale(from.x), scale(from.y), 0, 0};
  view.source.width = scale(from.x + from.width) - view.source.x;
  view.source.height = scale(from.y + from.height) - view.source.y;
  return view;
}

Box needed_by_all(const std::vector<Resize>& resizes) {
  const Box& first = resizes.front().needed();
  int left = first.x, top = first.y, right = first.x + first.width, bottom = first.y + first.height;
  for (const Resize& resize : resizes) {
    const Box& needed = resize.needed();
    left = std::min(left, needed.x);
    top = std::min(top, needed.y);
    right = std::max(right, needed.x + needed.width);
    bottom = std::max(bottom, needed.y + needed.height);
  }
  return {left, top, right - left, bottom - top};
}

}  // namespace

Image pixels_of(const Sample& sample) {
  return sample.image.rgb.empty() ? decode_image(sample.encoded) : sample.image;
}

Sample decoded(const Sample& sample) {
  Sample whole;
  whole.tensor = sample.tensor;
  if (sample.tensor.empty()) whole.image = pixels_of(sample);
  return whole;
}

Box size_of(const Sample& sample) {
  if (!sample.image.rgb.empty()) return {0, 0, sample.image.width, sample.image.height};
  const EncodedImage encoded(sample.encoded);
  return {0, 0, encoded.width(), encoded.height()};
}

// Leaves in picture_ what `draw_view` (width, height -> View) asks for.
template <class DrawView>
void Transformer::look(const Sample& sample, bool dct_scaling, const DrawView& draw_view) {
  if (!sample.image.rgb.empty()) {
    const View view = draw_view(sample.image.width, sample.image.height);
    check_inside(view.source, sample.image.width, sample.image.height);
    Resize(view).apply(PixelView(sample.image), scratch_, picture_);
    return;
  }
  EncodedImage encoded(sample.encoded);
  const View view = draw_view(encoded.width(), encoded.height());
  const int eighths = dct_scaling && encoded.is_scalable() ? least_eighths(view) : 8;
  const Resize resize(eighths == 8 ? view : scaled(view, eighths));
  resize.apply(encoded.decode(resize.needed(), decoded_, eighths), scratch_, picture_);
}

void Transformer::train(const Sample& sample, const AugmentConfig& config, const SampleKey& key,
                        int image_size, const Normaliser& normaliser, std::span<float> out) {
  if (copy_tensor(sample, out)) return;
  DrawnAugmentation drawn;
  look(sample, config.dct_scaling, [&](int width, int height) {
    drawn = draw_augmentation(config, key, width, height, image_size);
    return drawn.view;
  });
  for (const Operation& operation : drawn.operations) apply(operation, picture_, spare_);
  normaliser.apply(picture_, out);
  if (!drawn.erased.empty()) erase(drawn.erased, key, image_size, out);
}

void Transformer::train(const Sample& sample, std::span<const ViewPlan> views, SampleKey key,
                        const Normaliser& normaliser,
                        const std::function<std::span<float>(std::uint32_t view)>& out) {
  const Sample whole = views.size() > 1 ? decoded(sample) : Sample();
  for (key.view = 0; key.view < views.size(); ++key.view) {
    const ViewPlan& view = views[key.view];
    train(views.size() > 1 ? whole : sample, view.augment, key, static_cast<int>(view.image_size), normaliser,
          out(key.view));
  }
}

void Transformer::evaluate(const Sample& sample, const EvaluationTransform& transform,
                           const Normaliser& normaliser, std::span<float> out) {
  const auto crops = static_cast<std::size_t>(transform.crops_count());
  const auto of_crop = [&](std::size_t crop) {
    return out.subspan(crop * (out.size() / crops), out.size() / crops);
  };
  if (!sample.tensor.empty()) {
    for (std::size_t crop = 0; crop < crops; ++crop) copy_tensor(sample, of_crop(crop));
    return;
  }
  std::optional<EncodedImage> encoded;
  if (sample.image.rgb.empty()) encoded.emplace(sample.encoded);
  const Box size = encoded ? Box{0, 0, encoded->width(), encoded->height()}
                           : Box{0, 0, sample.image.width, sample.image.height};
  std::vector<Resize> resizes;
  for (int crop = 0; crop < transform.crops_count(); ++crop) {
    resizes.emplace_back(evaluation_view(size.width, size.height, transform, crop));
  }
  const PixelView pixels =
      encoded ? encoded->decode(needed_by_all(resizes), decoded_) : PixelView(sample.image);
  for (std::size_t crop = 0; crop < crops; ++crop) {
    resizes[crop].apply(pixels, scratch_, picture_);
    normaliser.apply(picture_, of_crop(crop));
  }
}

}  // namespace vitrail::datasets
