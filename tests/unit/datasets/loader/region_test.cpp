// Partial decoding against the same decoder's full image, whose pixels codec_test.cpp compares with Pillow's.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "datasets/augment/transform.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/codec/jpeg_encoder.hpp"
#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

std::vector<std::byte> bytes_of(const std::vector<std::uint8_t>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

void expect_part(std::span<const std::byte> file, const Image& whole, const Box& box,
                 const std::string& name) {
  EncodedImage encoded(file);
  ASSERT_EQ(encoded.width(), whole.width);
  ASSERT_EQ(encoded.height(), whole.height);
  std::vector<std::uint8_t> buffer;
  const PixelView part = encoded.decode(box, buffer);
  ASSERT_LE(part.x, box.x);
  ASSERT_LE(part.y, box.y);
  ASSERT_GE(part.x + part.width, box.x + box.width);
  ASSERT_GE(part.y + part.height, box.y + box.height);
  for (int y = box.y; y < box.y + box.height; ++y) {
    const std::uint8_t* expected = whole.row(y) + box.x * 3;
    ASSERT_TRUE(std::equal(expected, expected + box.width * 3, part.at(box.x, y)))
        << name << ": row " << y << " of " << box.width << "x" << box.height << " at (" << box.x << ", "
        << box.y << ") of " << whole.width << "x" << whole.height;
  }
}

// Boxes along all edges and blocks, and `count` anywhere.
void expect_parts(std::span<const std::byte> file, int count, const std::string& name) {
  const Image whole = decode_image(file);
  Philox random(1, Purpose::test, 0, 0);
  const auto draw = [&](int size) {
    const int begin = static_cast<int>(random.below(static_cast<std::uint64_t>(size)));
    return std::pair(begin, 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(size - begin))));
  };
  for (int i = 0; i < count; ++i) {
    const auto [x, width] = draw(whole.width);
    const auto [y, height] = draw(whole.height);
    expect_part(file, whole, {x, y, width, height}, name);
    if (testing::Test::HasFatalFailure()) return;
  }
  for (int y = 0; y < whole.height; ++y) expect_part(file, whole, {whole.width / 2, y, 1, 1}, name);
  for (int x = 0; x < whole.width; ++x) expect_part(file, whole, {x, whole.height / 2, 1, 1}, name);
}

TEST(RegionTest, PartsEqualTheWholeInEveryFormat) {
  const SafetensorsReader reader(std::filesystem::path(VITRAIL_FIXTURES) / "datasets/codec.safetensors");
  int files = 0;
  for (const auto& [tensor, info] : reader.tensors()) {
    if (!tensor.ends_with(".file")) continue;
    std::vector<std::uint8_t> file(static_cast<std::size_t>(info.elements()));
    reader.read(tensor, std::as_writable_bytes(std::span(file)));
    expect_parts(bytes_of(file), 40, tensor);
    ASSERT_FALSE(HasFatalFailure());
    ++files;
  }
  EXPECT_GE(files, 30);
}

TEST(RegionTest, PartsEqualTheWholeInFilesOfOthers) {
  const std::filesystem::path folder = "/usr/share/libjxl-testdata/jxl/flower";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "Debian's libjxl-testdata is not installed";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jpg") continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::vector<char> file{std::istreambuf_iterator<char>(stream), {}};
    const auto bytes = std::as_bytes(std::span(file));
    const Image whole = decode_image(bytes);
    Philox random(2, Purpose::test, 0, 0);
    for (int i = 0; i < 12; ++i) {
      const auto x = static_cast<int>(random.below(static_cast<std::uint64_t>(whole.width)));
      const auto y = static_cast<int>(random.below(static_cast<std::uint64_t>(whole.height)));
      const Box box{x, y, std::min(whole.width - x, 1 + 37 * i), std::min(whole.height - y, 1 + 41 * i)};
      expect_part(bytes, whole, box, entry.path().filename());
      ASSERT_FALSE(HasFatalFailure());
    }
    ++files;
  }
  EXPECT_GE(files, 15);
}

Image waves(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        image.rgb.push_back(
            static_cast<std::uint8_t>(128 + 100 * std::sin(x / 25.0 + c) * std::cos(y / 35.0)));
      }
    }
  }
  return image;
}

TEST(RegionTest, DamageCountsAsFarAsOneLooks) {
  const std::vector<std::byte> file = encode_jpeg(waves(200, 160), 90);
  const auto half = std::span(file).first(file.size() / 2);
  EXPECT_THROW(decode_image(half), Error);
  expect_part(file, decode_image(file), {0, 0, 200, 40}, "whole");
  std::vector<std::uint8_t> buffer;
  const PixelView part = EncodedImage(half).decode({0, 0, 200, 40}, buffer);
  EXPECT_EQ(part.height, 40);
  EXPECT_THROW(EncodedImage(half).decode({0, 120, 200, 40}, buffer), Error);
}

// Scaled while decoding, a picture differs by little: the crop moves by up to half a scaled pixel, here 1 to
// 4 levels. Where it would have to grow, it differs by nothing.
TEST(RegionTest, ScalingWhileDecodingIsCloseAndNeverEnlarges) {
  Sample sample;
  const std::vector<std::byte> file = encode_jpeg(waves(403, 301), 95);
  sample.encoded.assign(file.begin(), file.end());
  AugmentConfig exact, scaled;
  scaled.dct_scaling = true;
  int same = 0;
  for (std::uint64_t id = 0; id < 40; ++id) {
    const SampleKey key{.seed = 1, .sample = id};
    std::vector<float> a(3 * 96 * 96), b(a.size());
    Transformer().train(sample, exact, key, 96, Normaliser(kImageNet), a);
    Transformer().train(sample, scaled, key, 96, Normaliser(kImageNet), b);
    double difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) difference += std::abs(a[i] - b[i]) * 0.225 * 255;
    EXPECT_LT(difference / static_cast<double>(a.size()), 4.0) << id;
    const Box box = draw_augmentation(exact, key, 403, 301, 96).view.source;
    EXPECT_EQ(a == b, box.width < 192 || box.height < 192) << id;
    same += a == b;
  }
  EXPECT_GT(same, 5);
  EXPECT_LT(same, 35);
}

}  // namespace
}  // namespace vitrail::datasets
