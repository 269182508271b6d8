#include "datasets/augment/augmentation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include <gtest/gtest.h>

#include "datasets/augment/transform.hpp"
#include "datasets/pixels/normalise.hpp"
#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

Image source(double number) {
  return FixtureFile("resize").image(fmt::format("source.{}", static_cast<int>(number)));
}

Sample sample_of(Image image) {
  Sample sample;
  sample.image = std::move(image);
  return sample;
}

TEST(AugmentationTest, NormalisationOfEveryByteIsTorchvisionsToTheBit) {
  const std::vector<float> expected = FixtureFile("transforms").floats("normalise");
  Image ramp{256, 1, {}};
  for (int v = 0; v < 256; ++v) ramp.rgb.insert(ramp.rgb.end(), 3, static_cast<std::uint8_t>(v));
  for (const int end : {256, 255, 250, 8, 3}) {  // in vectors, and one by one at the end
    Image part{end, 1, {ramp.rgb.begin(), ramp.rgb.begin() + 3 * end}};
    std::vector<float> result(static_cast<std::size_t>(3 * end));
    Normaliser(kImageNet).apply(part, result);
    for (int c = 0; c < 3; ++c) {
      for (int v = 0; v < end; ++v) {
        ASSERT_EQ(result[static_cast<std::size_t>(c * end + v)],
                  expected[static_cast<std::size_t>(c * 256 + v)]);
        ASSERT_EQ(Normaliser(kImageNet).byte_of(result[static_cast<std::size_t>(c * end + v)], c), v);
      }
    }
  }
}

// For some divisors the product with their inverse rounds otherwise: what is fast is no reason for other
// bits.
TEST(AugmentationTest, AnyMeanAndDeviationIsTorchvisionsToTheBit) {
  const FixtureFile fixture("normalisation");
  const auto values = fixture.table("values");
  ASSERT_EQ(values.size(), 23U);
  Image ramp{256, 1, {}};
  for (int v = 0; v < 256; ++v) ramp.rgb.insert(ramp.rgb.end(), 3, static_cast<std::uint8_t>(v));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto& row = values[i];
    const Normalisation normalisation{{row[0], row[1], row[2]}, {row[3], row[4], row[5]}};
    std::vector<float> result(std::size_t{3} * 256);
    const Normaliser normaliser(normalisation);
    normaliser.apply(ramp, result);
    EXPECT_EQ(result, fixture.floats(fmt::format("ramp.{}", i))) << describe(normalisation);
    for (int v = 0; v < 256; ++v) EXPECT_EQ(normaliser.byte_of(result[static_cast<std::size_t>(v)], 0), v);
  }
}

TEST(AugmentationTest, CropResizeFlipNormaliseIsTorchvisionsToTheBit) {
  const FixtureFile fixture("transforms");
  const auto crops = fixture.table("crops");
  ASSERT_EQ(crops.size(), 3U);
  for (std::size_t i = 0; i < crops.size(); ++i) {
    const auto at = [&](std::size_t k) { return static_cast<int>(crops[i].at(k)); };
    const View view{{at(1), at(2), at(3), at(4)}, at(6), at(6), {0, 0, at(6), at(6)}, at(5) == 1};
    std::vector<float> result(static_cast<std::size_t>(3 * at(6) * at(6)));
    Normaliser(kImageNet).apply(resize(source(at(0)), view), result);
    EXPECT_EQ(result, fixture.floats(fmt::format("crop.{}", i))) << i;
  }
}

TEST(AugmentationTest, EvaluationIsTimmsToTheBit) {
  const FixtureFile fixture("transforms");
  const auto evaluations = fixture.table("evaluations");
  ASSERT_EQ(evaluations.size(), 7U);
  for (std::size_t i = 0; i < evaluations.size(); ++i) {
    const EvaluationTransform transform{static_cast<std::int64_t>(evaluations[i][1]), evaluations[i][2]};
    const auto size = static_cast<std::size_t>(transform.image_size);
    std::vector<float> result(3 * size * size);
    Transformer().evaluate(sample_of(source(evaluations[i][0])), transform, Normaliser(kImageNet), result);
    EXPECT_EQ(result, fixture.floats(fmt::format("evaluation.{}", i))) << i;
  }
}

TEST(AugmentationTest, EvaluationGeometryFollowsTorchvisionsRounding) {
  const auto rows = FixtureFile("transforms").table("geometry");
  ASSERT_EQ(rows.size(), 300U);
  for (const auto& row : rows) {
    const auto at = [&](std::size_t k) { return static_cast<int>(row.at(k)); };
    const View g = evaluation_view(at(0), at(1), {.image_size = at(2), .crop_ratio = row[3]});
    EXPECT_EQ(g.width, at(4));
    EXPECT_EQ(g.height, at(5));
    EXPECT_EQ(g.window, (Box{at(6), at(7), at(2), at(2)})) << at(0) << "x" << at(1) << " to " << at(2);
  }
}

TEST(AugmentationTest, CropRatioAboveOneIsRefusedByName) {
  try {
    evaluation_view(100, 100, {.image_size = 64, .crop_ratio = 1.1});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::refused);
    EXPECT_NE(std::string(error.what()).find("evaluate.crop_ratio"), std::string::npos);
  }
  EXPECT_THROW(evaluation_view(100, 100, {.image_size = 64, .crop_ratio = 0.0}), Error);
  EXPECT_THROW(evaluation_view(1, 1 << 28, {.image_size = 64, .crop_ratio = 1.0}), Error);
}

// Without a crop, training sees what evaluation at ratio 1 sees; an image of the right size passes unchanged.
TEST(AugmentationTest, NoCropIsTheEvaluationTransform) {
  AugmentConfig config;
  config.crop = Crop::none;
  config.flip = false;
  std::vector<float> train(3 * 16 * 16), evaluation(3 * 16 * 16);
  Transformer().train(sample_of(source(1)), config, {}, 16, Normaliser(kImageNet), train);
  Transformer().evaluate(sample_of(source(1)), {.image_size = 16, .crop_ratio = 1.0}, Normaliser(kImageNet),
                         evaluation);
  EXPECT_EQ(train, evaluation);

  std::vector<float> as_is(3 * 37 * 37), passed(3 * 37 * 37);
  Normaliser(kImageNet).apply(source(4), as_is);
  Transformer().train(sample_of(source(4)), config, {}, 37, Normaliser(kImageNet), passed);
  EXPECT_EQ(passed, as_is);
}

// A draw depends on nothing but settings, key and size.
TEST(AugmentationTest, EveryPartOfTheKeyCounts) {
  AugmentConfig config;
  config.three_augment = true;
  config.color_jitter = 0.3;
  const auto draw = [&](const SampleKey& key) { return draw_augmentation(config, key, 500, 375, 224); };
  const SampleKey key{.seed = 1, .epoch = 2, .sample = 3, .copy = 0};
  EXPECT_EQ(draw(key), draw(key));
  for (const SampleKey& other :
       {SampleKey{2, 2, 3, 0}, SampleKey{1, 3, 3, 0}, SampleKey{1, 2, 4, 0}, SampleKey{1, 2, 3, 1}}) {
    EXPECT_NE(draw(other), draw(key));
  }
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
    const SampleKey key{.seed = 3, .epoch = 1, .sample = static_cast<std::uint64_t>(i)};
    const Box box = draw_augmentation(config, key, width, height, 224).view.source;
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
TEST(AugmentationTest, RandomResizedCropFollowsTimmsLaw) {
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
TEST(AugmentationTest, ImpossibleCropsFallBackToTheCentre) {
  AugmentConfig config;
  config.crop_min_area = 0.99;
  const auto box = [&](int width, int height) {
    return draw_augmentation(config, {}, width, height, 224).view.source;
  };
  EXPECT_EQ(box(1000, 60), (Box{460, 0, 80, 60}));
  EXPECT_EQ(box(30, 1001), (Box{0, 480, 30, 40}));
  EXPECT_EQ(box(1, 1), (Box{0, 0, 1, 1}));
}

TEST(AugmentationTest, HalfOfTheImagesAreFlippedAndNoneIfNotAsked) {
  AugmentConfig config;
  int flips = 0;
  for (std::uint64_t id = 0; id < 20'000; ++id) {
    flips += draw_augmentation(config, {.seed = 1, .sample = id}, 50, 40, 32).view.mirrored;
  }
  EXPECT_NEAR(flips, 10'000, 5 * 71);
  config.flip = false;
  for (std::uint64_t id = 0; id < 100; ++id) {
    EXPECT_FALSE(draw_augmentation(config, {.seed = 1, .sample = id}, 50, 40, 32).view.mirrored);
  }
}

// torchvision's RandomCrop with padding 4: every place of the padded image is as likely as any other.
TEST(AugmentationTest, SimpleRandomCropIsUniformOverThePaddedImage) {
  AugmentConfig config;
  config.crop = Crop::src;
  std::vector<int> rows(9), columns(9 + 8);
  constexpr int kDraws = 40'000;
  for (std::uint64_t id = 0; id < kDraws; ++id) {
    const View view = draw_augmentation(config, {.seed = 1, .sample = id}, 60, 40, 16).view;
    ASSERT_EQ(view.source, (Box{0, 0, 60, 40}));
    ASSERT_EQ(view.width, 24);
    ASSERT_EQ(view.height, 16);
    ++rows.at(static_cast<std::size_t>(view.window.y) + 4);
    ++columns.at(static_cast<std::size_t>(view.window.x) + 4);
  }
  for (const auto& counts : {rows, columns}) {
    const double expected = static_cast<double>(kDraws) / static_cast<double>(counts.size());
    for (const int count : counts) EXPECT_NEAR(count, expected, 5 * std::sqrt(expected));
  }
}

// RandomCrop(32, padding=4) as DeiT trains on CIFAR: no resize, zeros outside; evaluation shows the image
// itself.
TEST(AugmentationTest, PaddedCropIsTheImageOnBlack) {
  Image image{32, 32, {}};
  for (int i = 0; i < 32 * 32 * 3; ++i) image.rgb.push_back(static_cast<std::uint8_t>(1 + i * 7 % 255));
  AugmentConfig config;
  config.crop = Crop::pad;
  config.flip = false;
  std::set<std::pair<int, int>> places;
  for (std::uint64_t id = 0; id < 2000; ++id) {
    const View view = draw_augmentation(config, {.seed = 3, .sample = id}, 32, 32, 32).view;
    places.emplace(view.window.x, view.window.y);
    if (id % 50 != 0) continue;
    for (const ResizeKernels* kernels : all_resize_kernels()) {
      ResizeScratch scratch;
      Image out;
      const Resize resize(view);
      resize.apply(PixelView(image), scratch, out, *kernels);
      for (int y = 0; y < 32; ++y) {
        for (int x = 0; x < 32; ++x) {
          const int from_x = x + view.window.x, from_y = y + view.window.y;
          const bool inside = from_x >= 0 && from_x < 32 && from_y >= 0 && from_y < 32;
          for (int c = 0; c < 3; ++c) {
            ASSERT_EQ(out.row(y)[3 * x + c], inside ? image.row(from_y)[3 * from_x + c] : 0)
                << kernels->name << " " << x << "," << y << " of " << view.window.x << "," << view.window.y;
          }
        }
      }
    }
  }
  EXPECT_EQ(places.size(), 81U);  // 9 x 9
  EXPECT_EQ(evaluation_view(32, 32, {.image_size = 32}), (View{{0, 0, 32, 32}, 32, 32, {0, 0, 32, 32}}));
}

TEST(AugmentationTest, FiveCropsAreWhereTorchvisionsAre) {
  const auto rows = FixtureFile("five_crops").table("boxes");
  ASSERT_EQ(rows.size(), 60U);
  for (const auto& row : rows) {
    const auto at = [&](std::size_t k) { return static_cast<int>(row.at(k)); };
    const EvaluationTransform five{.image_size = at(2), .crop_ratio = row[3], .crops = EvaluationCrops::five};
    for (int crop = 0; crop < 5; ++crop) {
      const std::size_t k = 4 + 2 * static_cast<std::size_t>(crop);
      EXPECT_EQ(evaluation_view(at(0), at(1), five, crop).window, (Box{at(k), at(k + 1), at(2), at(2)}))
          << at(0) << "x" << at(1) << " to " << at(2) << ", crop " << crop;
    }
  }
}

TEST(AugmentationTest, FiveCropsAreTheCornersAndTheCentre) {
  const EvaluationTransform five{.image_size = 16, .crop_ratio = 0.8, .crops = EvaluationCrops::five};
  const EvaluationTransform centre{.image_size = 16, .crop_ratio = 0.8};
  EXPECT_EQ(five.crops_count(), 5);
  EXPECT_EQ(centre.crops_count(), 1);
  const std::vector<std::pair<int, int>> corners = {{0, 0}, {14, 0}, {0, 4}, {14, 4}, {7, 2}};  // of 30 x 20
  for (int crop = 0; crop < 5; ++crop) {
    const View view = evaluation_view(60, 40, five, crop);
    EXPECT_EQ(std::pair(view.width, view.height), std::pair(30, 20));
    const auto [x, y] = corners[static_cast<std::size_t>(crop)];
    EXPECT_EQ(view.window, (Box{x, y, 16, 16})) << crop;
  }
  EXPECT_EQ(evaluation_view(60, 40, centre), evaluation_view(60, 40, five, 4));
  Sample sample;
  sample.image = {60, 40, {}};
  for (int i = 0; i < 60 * 40 * 3; ++i) sample.image.rgb.push_back(static_cast<std::uint8_t>(i * 31 % 251));
  const Normaliser normaliser(kImageNet);
  std::vector<float> all(5 * 3 * 16 * 16), alone(3 * 16 * 16);
  Transformer().evaluate(sample, five, normaliser, all);
  Transformer().evaluate(sample, centre, normaliser, alone);
  EXPECT_TRUE(std::equal(alone.begin(), alone.end(), all.begin() + 4 * 3 * 16 * 16));
  EXPECT_FALSE(std::equal(alone.begin(), alone.end(), all.begin()));
  for (int crop = 0; crop < 4; ++crop) {  // each corner is the evaluation of an image whose centre it is
    Image part = resize(sample.image, evaluation_view(60, 40, five, crop));
    Sample corner;
    corner.image = part;
    Transformer().evaluate(corner, {.image_size = 16}, normaliser, alone);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), all.begin() + std::ptrdiff_t{crop} * 3 * 16 * 16))
        << crop;
  }
}

TEST(AugmentationTest, ThreeAugmentChoosesOneOfThreeAlike) {
  AugmentConfig config;
  config.three_augment = true;
  std::array<int, 3> counts{};
  double mean = 0.0, least = 9.0, most = 0.0;
  for (std::uint64_t id = 0; id < 30'000; ++id) {
    const auto operations = draw_augmentation(config, {.seed = 2, .sample = id}, 50, 40, 32).operations;
    ASSERT_EQ(operations.size(), 1U);
    switch (operations[0].kind) {
      case OperationKind::grey:
        ++counts[0];
        break;
      case OperationKind::solarize:
        ++counts[1];
        ASSERT_EQ(operations[0].argument, 128);
        break;
      default:
        ASSERT_EQ(operations[0].kind, OperationKind::blur);
        ++counts[2];
        mean += operations[0].argument;
        least = std::min(least, operations[0].argument);
        most = std::max(most, operations[0].argument);
    }
  }
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 5 * 82);
  EXPECT_NEAR(mean / counts[2], 1.05, 5 * 0.5485 / 100);
  EXPECT_NEAR(least, 0.1, 0.01);
  EXPECT_NEAR(most, 2.0, 0.01);
}

}  // namespace
}  // namespace vitrail::datasets
