#include "datasets/augment/preview.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "datasets/augment/caption.hpp"
#include "datasets/augment/transform.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/pixels/normalise.hpp"
#include "datasets/synthetic_dataset.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::datasets {
namespace {

PreviewPlan plan_of() {
  PreviewPlan plan{.augment = {}, .seed = 3, .image_size = 16, .samples = 4, .draws = 3};
  plan.augment.three_augment = true;
  plan.augment.color_jitter = 0.3;
  return plan;
}

// Without mixing, what is shown is what a loader gives for that key; the printed numbers are those drawn.
TEST(PreviewTest, ShowsWhatTrainingSees) {
  const auto dataset = open_dataset("synthetic:8,2,24");
  const Preview preview = make_preview(*dataset, plan_of());
  ASSERT_EQ(preview.samples.size(), 4U);
  ASSERT_EQ(preview.draws.size(), 3U);
  const auto json = nlohmann::json::parse(to_json(preview));
  const Image grid = grid_of(preview);
  std::vector<float> expected(3 * 16 * 16);
  for (std::size_t epoch = 0; epoch < 3; ++epoch) {
    for (std::size_t i = 0; i < 4; ++i) {
      const SampleKey key{.seed = 3, .epoch = epoch, .sample = i};
      Transformer().train(dataset->read(static_cast<std::int64_t>(i)), plan_of().augment, key, 16,
                          Normaliser(kImageNet), expected);
      const auto begin =
          preview.draws[epoch].images.begin() + static_cast<std::ptrdiff_t>(i * expected.size());
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), begin));
      const int x = 5, y = 7;
      const int down = (grid.height + 4) / 4;
      EXPECT_EQ(grid.row(static_cast<int>(i) * down + y)[(static_cast<int>(epoch) * 100 + x) * 3 + 1],
                Normaliser(kImageNet).byte_of(expected[16 * 16 + y * 16 + x], 1));
      const auto& drawn = json["draws"][epoch]["pictures"][i];
      const View view = draw_augmentation(plan_of().augment, key, 24, 24, 16).view;
      EXPECT_EQ(drawn["source"],
                nlohmann::json({view.source.x, view.source.y, view.source.width, view.source.height}));
      EXPECT_EQ(drawn["operations"].size(), 4U);
    }
  }
}

TEST(PreviewTest, TextTellsTheNumbersOfEveryPicture) {
  PreviewPlan plan = plan_of();
  plan.augment.cutmix = 1.0;
  const Preview preview = make_preview(*open_dataset("synthetic:8,2,24"), plan);
  const std::string text = to_text(preview);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4 + 4 * 3);
  const std::int64_t label = open_dataset("synthetic:8,2,24")->label(0);
  EXPECT_EQ(text.substr(0, text.find('\n')), fmt::format("image 0: 0, texture {}, 24 x 24", label));
  const DrawnAugmentation& drawn = preview.draws[2].samples[3];
  const Box box = drawn.view.source;
  std::string line =
      fmt::format("  epoch 2: {} x {} at {},{}, scaled to 16 x 16", box.width, box.height, box.x, box.y);
  if (drawn.view.mirrored) line += ", mirrored";
  for (const Operation& operation : drawn.operations) {
    line += fmt::format(", {} {:.4g}", name_of(operation.kind), operation.argument);
  }
  const Mix& mix = preview.draws[2].mixes[3];
  line += fmt::format(", {:.4g} of it with image 0", mix.weight);
  ASSERT_TRUE(mix.box);
  line += fmt::format(" in {} x {} at {},{}\n", mix.box->width, mix.box->height, mix.box->x, mix.box->y);
  EXPECT_TRUE(text.ends_with(line)) << text << line;
}

TEST(PreviewTest, FilesHoldThePictures) {
  const auto folder = std::filesystem::temp_directory_path() / "vitrail_preview_test";
  std::filesystem::create_directories(folder);
  PreviewPlan plan = plan_of();
  plan.augment.cutmix = 1.0;
  const Preview preview = make_preview(*open_dataset("synthetic:8,2,24"), plan);
  write_preview(preview, folder / "x.safetensors");
  const SafetensorsReader reader(folder / "x.safetensors");
  EXPECT_EQ(reader.info("images").shape, (std::vector<std::int64_t>{3, 4, 3, 16, 16}));
  for (const char* name : {"grid.png", "grid.jpg"}) {
    write_preview(preview, folder / name);
    const File file(folder / name, File::Mode::read);
    std::vector<std::byte> bytes(file.size());
    file.read_at(0, bytes);
    const Image grid = decode_image(bytes);
    EXPECT_EQ(grid.width, 3 * 100 - 4);  // small print wants 96 pixels
    EXPECT_EQ((grid.height + 4) % 4, 0);
    EXPECT_GT(grid.height, 4 * (16 + 4 + 3 * kCaptionLine));
    if (std::string(name) == "grid.png") {
      EXPECT_EQ(grid.rgb, grid_of(preview).rgb);
    }
  }
  std::filesystem::remove_all(folder);
}

TEST(PreviewTest, WhatTakesTooMuchIsRefusedBeforeItIsDrawn) {
  const auto dataset = open_dataset("synthetic:5000,2,24");
  PreviewPlan plan = plan_of();
  plan.samples = plan.draws = 4096;
  EXPECT_THROW(make_preview(*dataset, plan), Error);
  plan.samples = 1;
  plan.draws = 700;  // 100 pixels each
  EXPECT_THROW(grid_of(make_preview(*dataset, plan)), Error);
}

std::string picture_of(const std::vector<std::string>& lines, int width, int height) {
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height), 255)};
  draw_caption(lines, 0, 0, 1, image);
  std::string text;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) text += image.row(y)[3 * x] == 0 ? '#' : '.';
    text += '\n';
  }
  return text;
}

TEST(PreviewTest, SmallPrintIsLegible) {
  EXPECT_EQ(picture_of({"aT1"}, 12, 6),
            ".#..###..#..\n"
            "#.#..#..##..\n"
            "###..#...#..\n"
            "#.#..#...#..\n"
            "#.#..#..###.\n"
            "............\n");
  EXPECT_EQ(picture_of({"\u00fc~"}, 8, 1), "##..##..\n");           // one letter each: both are "?"
  EXPECT_EQ(picture_of({"I", "I"}, 3, 8).substr(7 * 4, 3), "###");  // a line further down
  EXPECT_EQ(picture_of({"III"}, 5, 5).substr(0, 5), "###.#");       // cut at the edge
  EXPECT_EQ(caption_lines("12x8 at 0,0 mirrored, posterize 4", 12),
            (std::vector<std::string>{"12x8 at 0,0", "mirrored,", "posterize 4"}));
  EXPECT_EQ(caption_lines("abcdefgh \u00fc\u00fc\u00fc\u00fc", 3),
            (std::vector<std::string>{"abc", "def", "gh", "\u00fc\u00fc\u00fc", "\u00fc"}));
  EXPECT_TRUE(caption_lines("  ", 5).empty());
}

TEST(PreviewTest, EachPictureHasItsClassAndDrawsBelow) {
  PreviewPlan plan = plan_of();
  const auto dataset = open_dataset("synthetic:8,2,24");
  const Preview preview = make_preview(*dataset, plan);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(preview.samples[i].class_name,
              dataset->class_name(dataset->label(static_cast<std::int64_t>(i))));
  }
  EXPECT_EQ(nlohmann::json::parse(to_json(preview))["samples"][0]["class"], preview.samples[0].class_name);
  // Below the first picture of the second row: the class's name, drawn by itself.
  const Image grid = grid_of(preview);
  const int top = (grid.height + 4) / 4 + 16 + 2;
  Image alone{96, 5, std::vector<std::uint8_t>(std::size_t{3} * 96 * 5, 255)};
  draw_caption({preview.samples[1].class_name}, 0, 0, 1, alone);
  for (int y = 0; y < 5; ++y) {
    EXPECT_TRUE(std::equal(alone.row(y), alone.row(y) + 3 * 96, grid.row(top + y))) << y;
  }
  Preview other = preview;  // another class is another picture
  other.samples[1].class_name = "wolf";
  EXPECT_NE(grid_of(other).rgb, grid.rgb);
  other = preview;
  other.draws[0].mixes.resize(4);
  other.draws[0].mixes[1].weight = 0.25;
  EXPECT_NE(grid_of(other).rgb, grid.rgb);
}

TEST(PreviewTest, OddBatchesCannotBeMixed) {
  PreviewPlan plan = plan_of();
  plan.samples = 3;
  EXPECT_NO_THROW(make_preview(*open_dataset("synthetic:8,2,24"), plan));
  plan.augment.mixup = 0.8;
  EXPECT_THROW(make_preview(*open_dataset("synthetic:8,2,24"), plan), Error);
}

}  // namespace
}  // namespace vitrail::datasets
