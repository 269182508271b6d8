// Odd files are taken or refused as Pillow does, and give its pixels; where we refuse what it takes, the
// decoder has said that pixels are lost. tests/peers/make_odd_image_fixtures.py made files and pixels.
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>

#include "datasets/codec/codec.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/safetensors.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

class OddImages : public testing::Test {
 protected:
  std::vector<std::uint8_t> load(const std::string& tensor) const {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(fixture_.info(tensor).elements()));
    fixture_.read(tensor, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }
  bool pillow_takes(const std::string& name) const { return fixture_.tensors().contains(name + ".rgb"); }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& [tensor, info] : fixture_.tensors()) {
      if (tensor.ends_with(".file")) names.insert(tensor.substr(0, tensor.size() - 5));
    }
    return names;
  }
  const SafetensorsReader fixture_{std::filesystem::path(VITRAIL_FIXTURES) /
                                   "datasets/odd_images.safetensors"};
};

// Pillow reads these, making up pixels; what the decoder says of each is why they are quarantined.
const std::map<std::string, std::string>& refused_though_pillow_reads() {
  static const std::string early = "premature end of data segment";
  static const std::map<std::string, std::string> names = {
      {"bit_0_progressive", early},
      {"bit_1_progressive", early},
      {"bit_2_progressive", early},
      {"bit_3_progressive", "bad Huffman code"},
      {"bit_3_restart", early},
      {"height_larger", early},
      {"progressive_first_scan_only", "progressive scans are missing"},
      {"progressive_scan_twice", "Inconsistent progression sequence"},
      {"progressive_without_last_scan", "progressive scans are missing"},
      {"restart_missing", "found marker 0xd2 instead of RST1"},
      {"restart_out_of_order", "found marker 0xd4 instead of RST1"},
      {"restart_unexpected", early},
      {"scan_empty", early},
      {"scan_half_baseline", early},
      {"scan_half_progressive", early},
      {"scan_half_restart", early},
      {"width_larger", early},
      {"zeros_in_baseline", early},
      {"zeros_in_progressive", early},
      {"zeros_in_restart", "found marker 0xd9 instead of RST1"}};
  return names;
}

TEST_F(OddImages, WhatPillowTakesGivesItsPixelsAndRealDamageIsRefused) {
  std::map<std::string, std::string> refused;
  std::size_t equal = 0;
  for (const std::string& name : names()) {
    const auto file = load(name + ".file");
    try {
      const Image image = decode_image(std::as_bytes(std::span(file)));
      ASSERT_TRUE(pillow_takes(name)) << name;
      const auto& shape = fixture_.info(name + ".rgb").shape;
      EXPECT_EQ(image.height, shape[0]) << name;
      EXPECT_EQ(image.width, shape[1]) << name;
      EXPECT_TRUE(image.rgb == load(name + ".rgb")) << name;
      ++equal;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_data) << name;
      if (pillow_takes(name)) refused[name] = error.what();
    }
  }
  EXPECT_GT(equal, 100U);
  const auto& expected = refused_though_pillow_reads();
  for (const auto& [name, reason] : refused) {
    ASSERT_TRUE(expected.contains(name)) << name << ": " << reason;
    EXPECT_THAT(reason, HasSubstr(expected.at(name))) << name;
  }
  EXPECT_EQ(refused.size(), expected.size());
}

// What training reads: a part of the image, here all of it.
TEST_F(OddImages, PartsOfThemAreTheSame) {
  for (const char* name : {"sos_0_0_0_baseline", "sos_0_0_0_restart", "sos_1_63_0_three_scans", "ycck",
                           "webp_lossy", "webp_lossy_alpha", "webp_animated", "webp_animated_offset"}) {
    const auto file = load(std::string(name) + ".file");
    EncodedImage image(std::as_bytes(std::span(file)));
    std::vector<std::uint8_t> buffer;
    const PixelView view = image.decode({0, 0, image.width(), image.height()}, buffer);
    const auto rgb = load(std::string(name) + ".rgb");
    EXPECT_EQ(std::memcmp(view.rgb, rgb.data(), rgb.size()), 0) << name;
  }
}

TEST_F(OddImages, EveryTruncationOfAWebpIsAnError) {
  for (const char* name :
       {"webp_lossy", "webp_lossless", "webp_metadata", "webp_animated", "webp_lossy_alpha"}) {
    const auto whole = load(std::string(name) + ".file");
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THROW(decode_image(std::as_bytes(std::span(whole)).first(size)), Error) << name << " " << size;
    }
  }
}

}  // namespace
}  // namespace vitrail::datasets
