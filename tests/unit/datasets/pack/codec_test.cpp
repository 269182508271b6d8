#include "datasets/codec/codec.hpp"

#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::datasets {
namespace {

std::span<const std::byte> bytes_of(const std::vector<std::uint8_t>& v) {
  return std::as_bytes(std::span(v));
}

// Images and the pixels Pillow gives for them; see tests/peers/make_codec_fixtures.py.
class Codec : public testing::Test {
 protected:
  std::vector<std::uint8_t> load(const std::string& tensor) const {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(fixture_.info(tensor).elements()));
    fixture_.read(tensor, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [tensor, info] : fixture_.tensors()) {
      if (tensor.ends_with(".file")) names.push_back(tensor.substr(0, tensor.size() - 5));
    }
    return names;
  }
  const SafetensorsReader fixture_{std::filesystem::path(VITRAIL_FIXTURES) / "datasets/codec.safetensors"};
};

std::string decode_error(std::span<const std::byte> encoded) {
  try {
    decode_image(encoded);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    return e.what();
  }
  return "";
}

TEST_F(Codec, PixelsEqualPillows) {
  ASSERT_GE(names().size(), 30U);
  for (const std::string& name : names()) {
    const Image image = decode_image(bytes_of(load(name + ".file")));
    const auto& shape = fixture_.info(name + ".rgb").shape;
    EXPECT_EQ(image.height, shape[0]) << name;
    EXPECT_EQ(image.width, shape[1]) << name;
    EXPECT_EQ(image.rgb, load(name + ".rgb")) << name;
  }
}

TEST_F(Codec, EveryTruncationIsAnError) {
  for (const char* name :
       {"jpeg_420", "jpeg_420_progressive", "jpeg_grey", "jpeg_cmyk", "png_rgb", "png_palette"}) {
    const auto whole = load(std::string(name) + ".file");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_NE(decode_error(bytes_of(whole).first(size)), "") << name << " cut to " << size << " bytes";
    }
  }
}

TEST_F(Codec, GarbageNeverCrashes) {
  std::size_t errors = 0, decoded = 0;
  for (const std::string& name : names()) {
    auto file = load(name + ".file");
    for (std::size_t i = 0; i < file.size(); i += 7) {
      const std::uint8_t before = file[i];
      file[i] = static_cast<std::uint8_t>(file[i] ^ (1U << (i % 8)));
      decode_error(bytes_of(file)).empty() ? ++decoded : ++errors;
      file[i] = before;
    }
  }
  EXPECT_GT(errors, 100U);
  EXPECT_GT(decoded, 100U);
}

TEST_F(Codec, ErrorsSayWhatIsWrong) {
  EXPECT_EQ(decode_error({}), "empty image file");
  const std::vector<std::uint8_t> gif = {'G', 'I', 'F', '8', '9', 'a', 0, 0, 0};
  EXPECT_EQ(decode_error(bytes_of(gif)),
            "not JPEG, PNG or WebP: the file starts with 47 49 46 38 39 61 00 00");
  const auto jpeg = load("jpeg_420.file");
  EXPECT_EQ(decode_error(bytes_of(jpeg).first(jpeg.size() - 2)), "JPEG: Premature end of JPEG file");
  const auto png = load("png_rgb.file");
  EXPECT_EQ(decode_error(bytes_of(png).first(png.size() - 20)), "PNG: the file is truncated");
}

TEST_F(Codec, HugeClaimsAreRefusedBeforeAllocation) {
  auto jpeg = load("jpeg_444.file");
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) {  // start of frame: height and width
      std::memset(&jpeg[i + 5], 0xfe, 4);
      break;
    }
  }
  EXPECT_EQ(decode_error(bytes_of(jpeg)), "image of 65278 x 65278 pixels; the limit is 268435456 pixels");
}

TEST_F(Codec, EncodedPngIsLosslessAndRepeatable) {
  for (const std::string& name : names()) {
    const Image image = decode_image(bytes_of(load(name + ".file")));
    const auto encoded = encode_png(image);
    EXPECT_EQ(decode_image(encoded).rgb, image.rgb) << name;
    EXPECT_EQ(encode_png(image), encoded) << name;
    const auto colour_type = static_cast<int>(encoded.at(25));
    EXPECT_EQ(colour_type, name.find("grey") != std::string::npos || name == "png_bilevel" ? 0 : 2) << name;
  }
}

}  // namespace
}  // namespace vitrail::datasets
