#include "datasets/augment.hpp"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

Image source(double number) {
  return FixtureFile("resize").image(fmt::format("source.{}", static_cast<int>(number)));
}

TEST(AugmentTest, NormalisationOfEveryByteIsTorchvisionsToTheBit) {
  const std::vector<float> expected = FixtureFile("transforms").floats("normalise");
  Image ramp{256, 1, {}};
  for (int v = 0; v < 256; ++v) ramp.rgb.insert(ramp.rgb.end(), 3, static_cast<std::uint8_t>(v));
  std::vector<float> result(3 * 256);
  normalise(ramp, false, result);
  EXPECT_EQ(result, expected);
}

TEST(AugmentTest, CropResizeFlipNormaliseIsTorchvisionsToTheBit) {
  const FixtureFile fixture("transforms");
  const auto crops = fixture.table("crops");
  ASSERT_EQ(crops.size(), 3U);
  for (std::size_t i = 0; i < crops.size(); ++i) {
    const auto at = [&](std::size_t k) { return static_cast<int>(crops[i].at(k)); };
    const CropFlip drawn{.box = Box{at(1), at(2), at(3), at(4)}, .flip = at(5) == 1};
    std::vector<float> result(static_cast<std::size_t>(3 * at(6) * at(6)));
    apply_crop_flip(source(at(0)), drawn, at(6), result);
    EXPECT_EQ(result, fixture.floats(fmt::format("crop.{}", i))) << i;
  }
}

TEST(AugmentTest, EvaluationIsTimmsToTheBit) {
  const FixtureFile fixture("transforms");
  const auto evaluations = fixture.table("evaluations");
  ASSERT_EQ(evaluations.size(), 7U);
  for (std::size_t i = 0; i < evaluations.size(); ++i) {
    const EvaluationTransform transform{static_cast<std::int64_t>(evaluations[i][1]), evaluations[i][2]};
    std::vector<float> result(static_cast<std::size_t>(3 * transform.image_size * transform.image_size));
    apply_evaluation(source(evaluations[i][0]), transform, result);
    EXPECT_EQ(result, fixture.floats(fmt::format("evaluation.{}", i))) << i;
  }
}

TEST(AugmentTest, EvaluationGeometryFollowsTorchvisionsRounding) {
  const auto rows = FixtureFile("transforms").table("geometry");
  ASSERT_EQ(rows.size(), 300U);
  for (const auto& row : rows) {
    const auto at = [&](std::size_t k) { return static_cast<int>(row.at(k)); };
    const auto g = evaluation_geometry(at(0), at(1), {.image_size = at(2), .crop_ratio = row[3]});
    EXPECT_EQ(g.width, at(4));
    EXPECT_EQ(g.height, at(5));
    EXPECT_EQ(g.window, (Box{at(6), at(7), at(2), at(2)})) << at(0) << "x" << at(1) << " to " << at(2);
  }
}

TEST(AugmentTest, CropRatioAboveOneIsRefusedByName) {
  try {
    evaluation_geometry(100, 100, {.image_size = 64, .crop_ratio = 1.1});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::refused);
    EXPECT_NE(std::string(error.what()).find("evaluate.crop_ratio"), std::string::npos);
  }
  EXPECT_THROW(evaluation_geometry(100, 100, {.image_size = 64, .crop_ratio = 0.0}), Error);
  EXPECT_THROW(evaluation_geometry(1, 1 << 28, {.image_size = 64, .crop_ratio = 1.0}), Error);
}

// Without a crop, training sees what evaluation at ratio 1 sees; an image of the right size passes unchanged.
TEST(AugmentTest, NoCropIsTheEvaluationTransform) {
  AugmentConfig config;
  config.crop = Crop::none;
  config.flip = false;
  Philox stream(1, Purpose::augment, 0, 0);
  const Image image = source(1);
  const CropFlip drawn = draw_crop_flip(config, image.width, image.height, stream);
  EXPECT_FALSE(drawn.box || drawn.flip);
  std::vector<float> train(3 * 16 * 16), evaluation(3 * 16 * 16);
  apply_crop_flip(image, drawn, 16, train);
  apply_evaluation(image, {.image_size = 16, .crop_ratio = 1.0}, evaluation);
  EXPECT_EQ(train, evaluation);

  const Image exact = source(4);
  std::vector<float> as_is(3 * 37 * 37), passed(3 * 37 * 37);
  normalise(exact, false, as_is);
  apply_crop_flip(exact, drawn, 37, passed);
  EXPECT_EQ(passed, as_is);
}

struct Law {
  std::array<double, 4> mean{};
  std::array<std::array<double, 33>, 4> cumulative{};
};

// The fixture's statistics of x, y, w, h for our draws: share of values up to range * k / 32.
Law measure(const std::vector<double>& image, int draws) {
  AugmentConfig config;
  config.crop_min_area = image[2];
  const int width = static_cast<int>(image[0]), height = static_cast<int>(image[1]);
  const std::array<int, 4> range = {width, height, width, height};
  Law law;
  for (int i = 0; i < draws; ++i) {
    Philox stream(3, Purpose::augment, 1, static_cast<std::uint64_t>(i));
    const Box box = *draw_crop_flip(config, width, height, stream).box;
    const std::array<int, 4> value = {box.x, box.y, box.width, box.height};
    for (std::size_t c = 0; c < 4; ++c) {
      law.mean[c] += static_cast<double>(value[c]) / draws;
      for (int k = 0; k <= 32; ++k) {
        law.cumulative[c][static_cast<std::size_t>(k)] += value[c] <= range[c] * k / 32 ? 1.0 / draws : 0.0;
      }
    }
  }
  return law;
}

// Both laws are estimates, from 200,000 and 40,000 draws: a gap of 5 standard errors is allowed.
TEST(AugmentTest, RandomResizedCropFollowsTimmsLaw) {
  constexpr int kDraws = 40'000;
  const FixtureFile fixture("crop_law");
  const auto images = fixture.table("images");
  ASSERT_EQ(images.size(), 4U);
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Law law = measure(images[i], kDraws);
    const auto mean = fixture.doubles(fmt::format("mean.{}", i));
    const auto deviation = fixture.doubles(fmt::format("deviation.{}", i));
    const auto cumulative = fixture.table(fmt::format("cumulative.{}", i));
    const double share = 1.0 / kDraws + 1.0 / static_cast<double>(fixture.integers("draws").at(0));
    for (std::size_t c = 0; c < 4; ++c) {
      EXPECT_NEAR(law.mean[c], mean[c], 5 * deviation[c] * std::sqrt(share) + 1e-9) << i << " column " << c;
      for (std::size_t k = 0; k < 33; ++k) {
        const double p = cumulative[c][k];
        EXPECT_NEAR(law.cumulative[c][k], p, 5 * std::sqrt((p * (1 - p) + 1e-5) * share))
            << i << " column " << c << " threshold " << k;
      }
    }
  }
}

// Too long for any box of the allowed ratios with this much area: the centre, clamped to ratio 4/3 or 3/4.
TEST(AugmentTest, ImpossibleCropsFallBackToTheCentre) {
  AugmentConfig config;
  config.crop_min_area = 0.99;
  Philox stream(1, Purpose::augment, 0, 0);
  EXPECT_EQ(draw_crop_flip(config, 1000, 60, stream).box, (Box{460, 0, 80, 60}));
  EXPECT_EQ(draw_crop_flip(config, 30, 1001, stream).box, (Box{0, 480, 30, 40}));
  EXPECT_EQ(draw_crop_flip(config, 1, 1, stream).box, (Box{0, 0, 1, 1}));
}

TEST(AugmentTest, HalfOfTheImagesAreFlippedAndNoneIfNotAsked) {
  AugmentConfig config;
  int flips = 0;
  for (std::uint64_t id = 0; id < 20'000; ++id) {
    Philox stream(1, Purpose::augment, 0, id);
    flips += draw_crop_flip(config, 50, 40, stream).flip;
  }
  EXPECT_NEAR(flips, 10'000, 5 * 71);
  config.flip = false;
  for (std::uint64_t id = 0; id < 100; ++id) {
    Philox stream(1, Purpose::augment, 0, id);
    EXPECT_FALSE(draw_crop_flip(config, 50, 40, stream).flip);
  }
}

}  // namespace
}  // namespace vitrail::datasets
