#include "datasets/augment/preview.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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
      EXPECT_EQ(grid.row(static_cast<int>(i) * 20 + y)[(static_cast<int>(epoch) * 20 + x) * 3 + 1],
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
  EXPECT_EQ(text.substr(0, text.find('\n')), "image 0: 0, 24 x 24");
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
    EXPECT_EQ(grid.width, 3 * 20 - 4);
    EXPECT_EQ(grid.height, 4 * 20 - 4);
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
  plan.draws = 3300;  // 20 pixels each
  EXPECT_THROW(grid_of(make_preview(*dataset, plan)), Error);
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
