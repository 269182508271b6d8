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
  PreviewPlan plan{.views = {{{}, 16}}, .seed = 3, .samples = 4, .draws = 3};
  plan.views[0].augment.three_augment = true;
  plan.views[0].augment.color_jitter = 0.3;
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
      Transformer().train(dataset->read(static_cast<std::int64_t>(i)), plan_of().views[0].augment, key, 16,
                          Normaliser(kImageNet), expected);
      const auto begin =
          preview.draws[epoch].images.begin() + static_cast<std::ptrdiff_t>(i * expected.size());
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), begin));
      const int x = 5, y = 7;
      const int down = (grid.height + 4) / 4;
      EXPECT_EQ(grid.row(static_cast<int>(i) * down + y)[(static_cast<int>(epoch) * 100 + x) * 3 + 1],
                Normaliser(kImageNet).byte_of(expected[16 * 16 + y * 16 + x], 1));
      const auto& drawn = json["draws"][epoch]["pictures"][i];
      const View view = draw_augmentation(plan_of().views[0].augment, key, 24, 24, 16).view;
      EXPECT_EQ(drawn["source"],
                nlohmann::json({view.source.x, view.source.y, view.source.width, view.source.height}));
      EXPECT_EQ(drawn["operations"].size(), 4U);
    }
  }
}

TEST(PreviewTest, TextTellsTheNumbersOfEveryPicture) {
  PreviewPlan plan = plan_of();
  plan.views[0].augment.cutmix = 1.0;
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
  plan.views[0].augment.cutmix = 1.0;
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

// Several views of a sample are columns of their own, each of its size and with its name below.
TEST(PreviewTest, ShowsEveryViewOfATask) {
  PreviewPlan plan{.views = {{{}, 16, "global 1"}, {{}, 8, "local 1"}}, .seed = 3, .samples = 2, .draws = 3};
  plan.views[1].augment.crop_max_area = 0.2;
  plan.views[1].augment.distortion.grey = 1;
  const auto dataset = open_dataset("synthetic:8,2,24");
  const Preview preview = make_preview(*dataset, plan);
  ASSERT_EQ(preview.draws.size(), 6U);
  std::vector<float> expected(3 * 8 * 8);
  const SampleKey key{.seed = 3, .epoch = 2, .sample = 1, .view = 1};
  Transformer().train(dataset->read(1), plan.views[1].augment, key, 8, Normaliser(kImageNet), expected);
  const std::vector<float>& images = preview.draws[5].images;
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), images.end() - 3 * 8 * 8));
  const auto json = nlohmann::json::parse(to_json(preview));
  EXPECT_EQ(json["draws"][5]["view"], "local 1");
  EXPECT_EQ(json["draws"][5]["epoch"], 2);
  EXPECT_EQ(json["draws"][5]["image_size"], 8);
  EXPECT_EQ(json["draws"][5]["pictures"][1]["operations"][0]["name"], "grey");
  const std::string text = to_text(preview);
  EXPECT_NE(text.find("  epoch 2, local 1: "), std::string::npos) << text;
  EXPECT_EQ(grid_of(preview).width, 6 * 100 - 4);
  const auto folder = std::filesystem::temp_directory_path() / "vitrail_preview_views_test";
  std::filesystem::create_directories(folder);
  write_preview(preview, folder / "x.safetensors");
  const SafetensorsReader reader(folder / "x.safetensors");
  EXPECT_EQ(reader.tensors().size(), 2U);
  EXPECT_EQ(reader.info("global_1").shape, (std::vector<std::int64_t>{3, 2, 3, 16, 16}));
  EXPECT_EQ(reader.info("local_1").shape, (std::vector<std::int64_t>{3, 2, 3, 8, 8}));
  std::filesystem::remove_all(folder);
  // Its name stands below the class's.
  const Image grid = grid_of(preview);
  Image alone{96, 5, std::vector<std::uint8_t>(std::size_t{3} * 96 * 5, 255)};
  draw_caption({"local 1"}, 0, 0, 1, alone);
  const int top = 8 + 2 + kCaptionLine;
  for (int y = 0; y < 5; ++y) {
    EXPECT_TRUE(std::equal(alone.row(y), alone.row(y) + 3 * 96, grid.row(top + y) + 3 * 100)) << y;
  }
  plan.views[0].augment.mixup = 0.8;  // as the loader refuses it
  EXPECT_THROW(make_preview(*dataset, plan), Error);
}

TEST(PreviewTest, PatchesThatAreHiddenFade) {
  PreviewPlan plan{
      .views = {{{}, 18}}, .seed = 3, .samples = 2, .draws = 2};  // 2 pixels behind the last patch
  const auto dataset = open_dataset("synthetic:8,2,24");
  const Image whole = grid_of(make_preview(*dataset, plan));
  plan.masked = {8, 4, 1, [](std::uint64_t draw, std::int64_t images) {
                   std::vector<std::int64_t> seen;
                   for (std::int64_t i = 0; i < images; ++i)
                     seen.push_back(static_cast<std::int64_t>(draw) + i);
                   return seen;
                 }};
  const Preview preview = make_preview(*dataset, plan);
  const Image grid = grid_of(preview);
  // Draw 0 of image 0 sees the patch in the upper left corner, draw 1 of image 1 the one in the lower left.
  const int down = (grid.height + 4) / 2, was_down = (whole.height + 4) / 2;
  for (const int x : {0, 7, 8, 15, 17}) {
    for (const int y : {0, 7, 8, 15, 17}) {
      for (const bool second : {false, true}) {
        const int left = second ? 100 : 0;
        const std::uint8_t now = grid.row((second ? down : 0) + y)[3 * (left + x)];
        const std::uint8_t was = whole.row((second ? was_down : 0) + y)[3 * (left + x)];
        const bool seen = x < 8 && y < 16 && (y >= 8) == second;
        EXPECT_EQ(now, seen ? was : (was + 3 * 160) / 4) << x << "," << y;
      }
    }
  }
  const auto json = nlohmann::json::parse(to_json(preview));
  EXPECT_EQ(json["patch"], 8);
  EXPECT_EQ(json["draws"][1]["pictures"][1]["seen"], nlohmann::json({2}));
  EXPECT_NE(to_text(preview).find(", 1 of 4 patches seen: 2\n"), std::string::npos);
}

TEST(PreviewTest, OddBatchesCannotBeMixed) {
  PreviewPlan plan = plan_of();
  plan.samples = 3;
  EXPECT_NO_THROW(make_preview(*open_dataset("synthetic:8,2,24"), plan));
  plan.views[0].augment.mixup = 0.8;
  EXPECT_THROW(make_preview(*open_dataset("synthetic:8,2,24"), plan), Error);
}

}  // namespace
}  // namespace vitrail::datasets
