#include "datasets/augment/preview.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "datasets/augment/caption.hpp"
#include "datasets/augment/transform.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/codec/jpeg_encoder.hpp"
#include "datasets/pack/pack_format.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::datasets {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kGap = 4;           // pixels between pictures
constexpr int kQuality = 95;      // of a JPEG
constexpr int kLeastColumn = 96;  // pixels: 24 letters below a small picture

Json json_of(const Box& box) { return {box.x, box.y, box.width, box.height}; }

Json json_of(const DrawnAugmentation& drawn) {
  Json operations = Json::array(), erased = Json::array();
  for (const Operation& operation : drawn.operations) {
    operations.push_back({{"name", name_of(operation.kind)}, {"argument", operation.argument}});
  }
  for (const Erasure& erasure : drawn.erased) {
    erased.push_back({{"box", json_of(erasure.box)}, {"noise", erasure.noise}, {"colour", erasure.colour}});
  }
  const View& view = drawn.view;
  Json json = {{"source", json_of(view.source)}, {"scaled", {view.width, view.height}},
               {"window", json_of(view.window)}, {"mirrored", view.mirrored},
               {"operations", operations},       {"erased", erased}};
  if (view.black_outside) json["outside"] = "black";
  return json;
}

Json json_of(const Mix& mix, std::size_t partner) {
  Json json = {{"weight", mix.weight}, {"partner", partner}, {"box", nullptr}};
  if (mix.box) json["box"] = json_of(*mix.box);
  return json;
}

std::string text_of(const Box& box) {
  return fmt::format("{} x {} at {},{}", box.width, box.height, box.x, box.y);
}

std::string text_of(const DrawnAugmentation& drawn) {
  const View& view = drawn.view;
  std::string text = fmt::format("{}, scaled to {} x {}", text_of(view.source), view.width, view.height);
  if (view.window.width != view.width || view.window.height != view.height) {
    text += ", of that " + text_of(view.window) + (view.black_outside ? " on black" : "");
  }
  if (view.mirrored) text += ", mirrored";
  for (const Operation& operation : drawn.operations) {
    text += fmt::format(", {} {:.4g}", name_of(operation.kind), operation.argument);
  }
  for (const Erasure& erasure : drawn.erased) text += ", erased " + text_of(erasure.box);
  return text;
}

std::string text_of(const Mix& mix, std::size_t partner) {
  std::string text = fmt::format(", {:.4g} of it with image {}", mix.weight, partner);
  if (mix.box) text += " in " + text_of(*mix.box);
  return text;
}

std::size_t floats_of(const PreviewPlan& plan) {
  return static_cast<std::size_t>(3 * plan.image_size * plan.image_size);
}

Preview::Draw draw_all(const std::vector<Sample>& samples, const std::vector<Preview::Sample>& shown,
                       const PreviewPlan& plan, std::uint64_t epoch) {
  const auto size = static_cast<int>(plan.image_size);
  LaneBatch batch;
  batch.images_count = static_cast<std::int64_t>(samples.size());
  batch.views.emplace_back(std::vector<float>(samples.size() * floats_of(plan)));
  const std::span<float> images(batch.views.front());
  batch.weights.resize(samples.size());
  batch.labels.resize(samples.size());
  batch.partner_labels.resize(samples.size());
  Preview::Draw draw;
  Transformer transformer;
  const Normaliser normaliser(plan.normalisation);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const SampleKey key{.seed = plan.seed, .epoch = epoch, .sample = i};
    draw.samples.push_back(draw_augmentation(plan.augment, key, shown[i].width, shown[i].height, size));
    transformer.train(samples[i], plan.augment, key, size, normaliser,
                      images.subspan(i * floats_of(plan), floats_of(plan)));
  }
  if (mixes(plan.augment)) {
    Philox stream(plan.seed, Purpose::mixing, epoch, 0);
    draw.mixes = draw_mixes(plan.augment, size, batch.images_count, stream);
    apply_mixes(draw.mixes, size, batch);
  }
  draw.images.assign(images.begin(), images.end());
  return draw;
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

// What stands below the pictures, all of the same height.
class Captions {
 public:
  explicit Captions(const Preview& preview) : scale_(preview.plan.image_size >= kLargePicture ? 2 : 1) {
    const int width = std::max(static_cast<int>(preview.plan.image_size), kLeastColumn);
    for (const Preview::Draw& draw : preview.draws) {
      for (std::size_t i = 0; i < preview.samples.size(); ++i) {
        lines_.push_back(
            caption_lines(title_of(preview.samples, draw, i), width / (kCaptionLetter * scale_)));
        for (std::string& line :
             caption_lines(drawn_text(draw.samples[i]), width / (kCaptionLetter * scale_))) {
          lines_.back().push_back(std::move(line));
        }
        most_ = std::max(most_, lines_.back().size());
      }
    }
    rows_ = preview.samples.size();
  }

  int height() const { return scale_ * (static_cast<int>(most_) * kCaptionLine + 2); }

  void draw(std::size_t row, std::size_t column, int left, int top, Image& grid) const {
    draw_caption(lines_[column * rows_ + row], left, top + 2 * scale_, scale_, grid);
  }

 private:
  static std::string title_of(const std::vector<Preview::Sample>& samples, const Preview::Draw& draw,
                              std::size_t i) {
    const auto name = [&](std::size_t n) {
      const Preview::Sample& sample = samples[n];
      return sample.class_name.empty() ? sample.name.substr(sample.name.rfind('/') + 1) : sample.class_name;
    };
    if (draw.mixes.empty() || draw.mixes[i].weight == 1) return name(i);
    return fmt::format("{:.2f} {}, {:.2f} {}", draw.mixes[i].weight, name(i), 1 - draw.mixes[i].weight,
                       name(samples.size() - 1 - i));
  }

  static std::string drawn_text(const DrawnAugmentation& drawn) {
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

  static constexpr int kLargePicture = 160;
  const int scale_;
  std::size_t rows_ = 0, most_ = 0;
  std::vector<std::vector<std::string>> lines_;  // by draw, then by sample
};

// All pictures of all draws are held as floats.
void check_size(const PreviewPlan& plan) {
  constexpr double kMostGigabytes = 4;
  const double gigabytes = static_cast<double>(plan.samples) * static_cast<double>(plan.draws) *
                           static_cast<double>(floats_of(plan)) * sizeof(float) / 1e9;
  if (gigabytes <= kMostGigabytes) return;
  throw Error(
      ExitCode::refused,
      fmt::format("--samples {} with --draws {}: the pictures would take {:.1f} GB, the limit is {} GB",
                  plan.samples, plan.draws, gigabytes, kMostGigabytes),
      "lower one of them, or model.image_size");
}

}  // namespace

Preview make_preview(const Dataset& dataset, PreviewPlan plan) {
  if (dataset.tensor_image_size()) {
    throw Error(ExitCode::refused,
                fmt::format("{}: ready tensors are used as they are; there is nothing to preview",
                            dataset.describe()));
  }
  plan.samples = std::min(plan.samples, dataset.size());
  check_size(plan);
  check_mixing(plan.augment, plan.samples);
  Preview preview{plan, {}, {}};
  std::vector<Sample> samples;
  for (std::int64_t i = 0; i < plan.samples; ++i) {
    try {
      samples.push_back(dataset.read(i));
      const Box size = size_of(samples.back());
      const std::string class_name = dataset.classes() > 0 ? dataset.class_name(dataset.label(i)) : "";
      preview.samples.push_back({dataset.name(i), size.width, size.height, class_name});
    } catch (const Error& error) {
      throw error.in(dataset.place(i));
    }
  }
  for (std::int64_t epoch = 0; epoch < plan.draws; ++epoch) {
    preview.draws.push_back(draw_all(samples, preview.samples, plan, static_cast<std::uint64_t>(epoch)));
  }
  return preview;
}

Image grid_of(const Preview& preview) {
  const auto size = static_cast<int>(preview.plan.image_size);
  const auto columns = static_cast<int>(preview.draws.size()),
             rows = static_cast<int>(preview.samples.size());
  const Captions captions(preview);
  const int across = std::max(size, kLeastColumn) + kGap, down = size + captions.height() + kGap;
  Image grid{columns * across - kGap, rows * down - kGap, {}};
  constexpr int kLongestSide = 65500;  // of a JPEG
  if (std::max(grid.width, grid.height) > kLongestSide) {
    throw Error(
        ExitCode::refused,
        fmt::format(
            "--samples {} and --draws {} of {} pixels make a picture of {} x {}; a side has at most {}", rows,
            columns, size, grid.width, grid.height, kLongestSide),
        "lower them, or write --output FILE.safetensors");
  }
  grid.rgb.resize(static_cast<std::size_t>(grid.width) * static_cast<std::size_t>(grid.height) * 3, 255);
  const std::size_t floats = floats_of(preview.plan);
  const Normaliser normaliser(preview.plan.normalisation);
  for (int column = 0; column < columns; ++column) {
    const std::span<const float> images(preview.draws[static_cast<std::size_t>(column)].images);
    for (int row = 0; row < rows; ++row) {
      const int left = column * across, top = row * down;
      paint(images.subspan(static_cast<std::size_t>(row) * floats, floats), size, left, top, normaliser,
            grid);
      captions.draw(static_cast<std::size_t>(row), static_cast<std::size_t>(column), left, top + size, grid);
    }
  }
  return grid;
}

std::string to_json(const Preview& preview) {
  const PreviewPlan& plan = preview.plan;
  Json samples = Json::array(), draws = Json::array();
  for (const Preview::Sample& sample : preview.samples) {
    samples.push_back({{"name", sample.name}, {"width", sample.width}, {"height", sample.height}});
    if (!sample.class_name.empty()) samples.back()["class"] = sample.class_name;
  }
  for (std::size_t epoch = 0; epoch < preview.draws.size(); ++epoch) {
    const Preview::Draw& draw = preview.draws[epoch];
    Json pictures = Json::array();
    for (std::size_t i = 0; i < draw.samples.size(); ++i) {
      Json picture = json_of(draw.samples[i]);
      if (!draw.mixes.empty()) picture["mix"] = json_of(draw.mixes[i], draw.samples.size() - 1 - i);
      pictures.push_back(std::move(picture));
    }
    draws.push_back({{"epoch", epoch}, {"pictures", std::move(pictures)}});
  }
  return Json({{"seed", plan.seed},
               {"image_size", plan.image_size},
               {"dct_scaling", plan.augment.dct_scaling},
               {"samples", std::move(samples)},
               {"draws", std::move(draws)}})
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_text(const Preview& preview) {
  std::string text;
  for (std::size_t i = 0; i < preview.samples.size(); ++i) {
    const Preview::Sample& sample = preview.samples[i];
    text += fmt::format("image {}: {}, {}{} x {}\n", i, printable(sample.name),
                        sample.class_name.empty() ? "" : printable(sample.class_name) + ", ", sample.width,
                        sample.height);
    for (std::size_t epoch = 0; epoch < preview.draws.size(); ++epoch) {
      const Preview::Draw& draw = preview.draws[epoch];
      text += fmt::format("  epoch {}: {}", epoch, text_of(draw.samples[i]));
      if (!draw.mixes.empty()) text += text_of(draw.mixes[i], preview.samples.size() - 1 - i);
      text += "\n";
    }
  }
  return text;
}

void write_preview(const Preview& preview, const std::filesystem::path& path) {
  const std::string extension = path.extension();
  if (extension == ".png" || extension == ".jpg" || extension == ".jpeg") {
    const Image grid = grid_of(preview);
    return write_bytes_atomically(path, extension == ".png" ? encode_png(grid) : encode_jpeg(grid, kQuality));
  }
  std::vector<float> images;
  for (const Preview::Draw& draw : preview.draws) {
    images.insert(images.end(), draw.images.begin(), draw.images.end());
  }
  const std::int64_t size = preview.plan.image_size;
  write_safetensors(path, {{"images",
                            {DataType::f32,
                             {static_cast<std::int64_t>(preview.draws.size()),
                              static_cast<std::int64_t>(preview.samples.size()), 3, size, size},
                             std::as_bytes(std::span(images))}}});
}

}  // namespace vitrail::datasets
