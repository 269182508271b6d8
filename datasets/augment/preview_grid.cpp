#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "datasets/augment/caption.hpp"
#include "datasets/augment/preview.hpp"
#include "datasets/pixels/normalise.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr int kGap = 4;             // pixels between pictures
constexpr int kLeastColumn = 96;    // pixels: 24 letters below a small picture
constexpr int kLargePicture = 160;  // pixels, from which on letters are twice as large

int size_of(const ViewPlan& view) { return static_cast<int>(view.image_size); }
int width_of(const ViewPlan& view) { return std::max(size_of(view), kLeastColumn); }

int largest(const PreviewPlan& plan) {
  return size_of(*std::ranges::max_element(plan.views, {}, &ViewPlan::image_size));
}

void paint(std::span<const float> picture, int size, int left, int top, const Normaliser& normaliser,
           Image& grid) {
  const auto plane = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  for (int y = 0; y < size; ++y) {
    std::uint8_t* out = grid.row(top + y) + left * 3;
    for (int x = 0; x < size; ++x) {
      for (int c = 0; c < 3; ++c) {
        const auto at = static_cast<std::size_t>(c) * plane + static_cast<std::size_t>(y * size + x);
        *out++ = normaliser.byte_of(picture[at], c);
      }
    }
  }
}

// What is not seen fades to grey, also behind the last whole patch.
void grey_hidden(const PatchPlan& masked, std::span<const std::int64_t> seen, int size, int left, int top,
                 Image& grid) {
  const auto side = static_cast<int>(masked.side);
  const int across = size / side;
  for (int y = 0; y < size; ++y) {
    std::uint8_t* out = grid.row(top + y) + left * 3;
    for (int x = 0; x < size; ++x) {
      const bool whole = x / side < across && y / side < across;
      const bool is_seen = whole && std::ranges::binary_search(seen, y / side * across + x / side);
      for (int c = 0; c < 3; ++c, ++out) {
        if (!is_seen) *out = static_cast<std::uint8_t>((*out + 3 * 160) / 4);
      }
    }
  }
}

std::string title_of(const Preview& preview, const Preview::Draw& draw, std::size_t i) {
  const auto name = [&](std::size_t n) {
    const Preview::Sample& sample = preview.samples[n];
    return sample.class_name.empty() ? sample.name.substr(sample.name.rfind('/') + 1) : sample.class_name;
  };
  if (draw.mixes.empty() || draw.mixes[i].weight == 1) return name(i);
  return fmt::format("{:.2f} {}, {:.2f} {}", draw.mixes[i].weight, name(i), 1 - draw.mixes[i].weight,
                     name(preview.samples.size() - 1 - i));
}

std::string drawn_text(const DrawnAugmentation& drawn) {
  const Box& box = drawn.view.source;
  std::string text = fmt::format("{}x{} at {},{}", box.width, box.height, box.x, box.y);
  if (drawn.view.mirrored) text += " mirrored";
  for (const Operation& operation : drawn.operations) {
    text += fmt::format(", {} {:.3g}", name_of(operation.kind), operation.argument);
  }
  for (const Erasure& erasure : drawn.erased) {
    text += fmt::format(", erased {}x{}", erasure.box.width, erasure.box.height);
  }
  return text;
}

// What stands below the pictures, all of the same height.
class Captions {
 public:
  explicit Captions(const Preview& preview) : scale_(largest(preview.plan) >= kLargePicture ? 2 : 1) {
    for (const Preview::Draw& draw : preview.draws) {
      const int letters = width_of(preview.view_of(draw)) / (kCaptionLetter * scale_);
      for (std::size_t i = 0; i < preview.samples.size(); ++i) {
        std::vector<std::string>& lines = lines_.emplace_back();
        std::vector<std::string> texts = {title_of(preview, draw, i), preview.view_of(draw).name,
                                          drawn_text(draw.samples[i])};
        if (!draw.seen.empty()) {
          texts.push_back(
              fmt::format("{} of {} patches seen", preview.plan.masked.seen, preview.plan.masked.patches));
        }
        for (const std::string& text : texts) {
          for (std::string& line : caption_lines(text, letters)) lines.push_back(std::move(line));
        }
        most_ = std::max(most_, lines.size());
      }
    }
    rows_ = preview.samples.size();
  }

  int height() const { return scale_ * (static_cast<int>(most_) * kCaptionLine + 2); }

  void draw(std::size_t row, std::size_t column, int left, int top, Image& grid) const {
    draw_caption(lines_[column * rows_ + row], left, top + 2 * scale_, scale_, grid);
  }

 private:
  const int scale_;
  std::size_t rows_ = 0, most_ = 0;
  std::vector<std::vector<std::string>> lines_;  // by draw, then by sample
};

Image white(const Preview& preview, int down) {
  Image grid;
  for (const Preview::Draw& draw : preview.draws) grid.width += width_of(preview.view_of(draw)) + kGap;
  grid.width -= kGap;
  grid.height = static_cast<int>(preview.samples.size()) * down - kGap;
  constexpr int kLongestSide = 65500;  // of a JPEG
  if (std::max(grid.width, grid.height) > kLongestSide) {
    throw Error(
        ExitCode::refused,
        fmt::format("--samples {} and --draws {} of {} pixels make a picture of {} x {}; a side has at "
                    "most {}",
                    preview.samples.size(), preview.plan.draws, largest(preview.plan), grid.width,
                    grid.height, kLongestSide),
        "lower them, or write --output FILE.safetensors");
  }
  grid.rgb.resize(static_cast<std::size_t>(grid.width) * static_cast<std::size_t>(grid.height) * 3, 255);
  return grid;
}

}  // namespace

Image grid_of(const Preview& preview) {
  const Captions captions(preview);
  const int down = largest(preview.plan) + captions.height() + kGap;
  Image grid = white(preview, down);
  const Normaliser normaliser(preview.plan.normalisation);
  const auto seen = static_cast<std::size_t>(preview.plan.masked.seen);
  int left = 0;
  for (std::size_t column = 0; column < preview.draws.size(); ++column) {
    const Preview::Draw& draw = preview.draws[column];
    const int size = size_of(preview.view_of(draw));
    const std::size_t floats =
        std::size_t{3} * static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
    for (std::size_t row = 0; row < preview.samples.size(); ++row) {
      const int top = static_cast<int>(row) * down;
      paint(std::span(draw.images).subspan(row * floats, floats), size, left, top, normaliser, grid);
      if (!draw.seen.empty()) {
        grey_hidden(preview.plan.masked, std::span(draw.seen).subspan(row * seen, seen), size, left, top,
                    grid);
      }
      captions.draw(row, column, left, top + size, grid);
    }
    left += width_of(preview.view_of(draw)) + kGap;
  }
  return grid;
}

}  // namespace vitrail::datasets
