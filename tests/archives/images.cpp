#include "tests/archives/images.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <span>

#include <jpeglib.h>

#include "datasets/codec/codec.hpp"
#include "datasets/codec/jpeg_encoder.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::tests {
namespace {

using datasets::Image;

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// `pixels`: rows of `components` bytes. libjpeg's default error handler ends the program: good enough here.
std::string raw_jpeg(const std::vector<std::uint8_t>& pixels, int width, int height, int components,
                     J_COLOR_SPACE space, int quality) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = components;
  info.in_color_space = space;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<std::uint8_t*>(
        &pixels[std::size_t{info.next_scanline} * static_cast<std::size_t>(width * components)]);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string text(reinterpret_cast<const char*>(bytes), size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return text;
}

// sin by table: 256 steps of a turn, amplitude 127.
std::array<int, 256> make_sine() {
  std::array<int, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    table[i] = static_cast<int>(
        std::lround(127.0 * std::sin(static_cast<double>(i) * 2.0 * std::numbers::pi / 256.0)));
  }
  return table;
}

}  // namespace

Image texture(std::uint64_t seed, int class_number, std::uint64_t image_number, int width, int height) {
  static const std::array<int, 256> sine = make_sine();
  const auto number = static_cast<std::uint64_t>(class_number);
  Philox of_class(seed, Purpose::synthetic, number, 0),
      of_image(seed, Purpose::synthetic, number, image_number + 1);
  struct Grating {
    std::uint32_t dx, dy, phase, weight;  // in 1/65536 of a turn a pixel
  };
  std::array<std::array<Grating, 2>, 3> gratings{};
  for (auto& channel : gratings) {
    for (Grating& g : channel) {
      g = {of_class.next_u32() % 6000, of_class.next_u32() % 6000, of_image.next_u32() & 0xffff,
           40 + of_class.next_u32() % 60};
    }
  }
  Image image{width, height, {}};
  image.rgb.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  std::uint32_t noise = of_image.next_u32() | 1;
  std::uint8_t* pixel = image.rgb.data();
  for (std::uint32_t y = 0; y < static_cast<std::uint32_t>(height); ++y) {
    for (std::uint32_t x = 0; x < static_cast<std::uint32_t>(width); ++x) {
      noise = noise * 1664525U + 1013904223U;
      for (const auto& channel : gratings) {
        int value = 128 + static_cast<int>(noise >> 27) - 16;
        for (const Grating& g : channel) {
          value += sine[(g.phase + g.dx * x + g.dy * y) >> 8 & 0xff] * static_cast<int>(g.weight) / 127;
        }
        *pixel++ = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
      }
    }
  }
  return image;
}

std::string jpeg(const Image& image, int quality) { return text_of(datasets::encode_jpeg(image, quality)); }
std::string png(const Image& image) { return text_of(datasets::encode_png(image)); }

std::string grey_jpeg(const Image& image, int quality) {
  std::vector<std::uint8_t> grey;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) grey.push_back(image.rgb[i + 1]);
  return raw_jpeg(grey, image.width, image.height, 1, JCS_GRAYSCALE, quality);
}

std::string cmyk_jpeg(const Image& image, int quality) {
  std::vector<std::uint8_t> inks;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    inks.insert(inks.end(), {image.rgb[i], image.rgb[i + 1], image.rgb[i + 2], 255});
  }
  return raw_jpeg(inks, image.width, image.height, 4, JCS_CMYK, quality);
}

std::string with_exif_rotation(const std::string& jpeg) {
  using std::string_literals::operator""s;
  static const std::string app1 =
      "\xff\xe1\x00\x22"
      "Exif\0\0"
      "II*\0\x08\0\0\0"
      "\x01\0"
      "\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
      "\0\0\0\0"s;
  return jpeg.substr(0, 2) + app1 + jpeg.substr(2);
}

std::string with_claimed_size(std::string jpeg, int width, int height) {
  const std::size_t frame = jpeg.find("\xff\xc0");
  for (const auto& [at, value] : {std::pair(frame + 5, height), std::pair(frame + 7, width)}) {
    jpeg[at] = static_cast<char>(value >> 8);
    jpeg[at + 1] = static_cast<char>(value & 0xff);
  }
  return jpeg;
}

std::vector<AwkwardFile> awkward_files(std::uint64_t seed) {
  using std::string_literals::operator""s;
  const Image image = texture(seed, 0, 1'000'000, 40, 30);
  const std::string plain = jpeg(image, 90);
  const std::string gif =
      "GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0;"s;
  return {{"grey", grey_jpeg(image, 90), ""},
          {"cmyk", cmyk_jpeg(image, 90), ""},
          {"png", png(image), ""},
          {"rotated", with_exif_rotation(plain), ""},
          {"one_pixel", jpeg({1, 1, {1, 2, 3}}, 90), ""},
          {"junk_behind", plain + "\r\n<html>", ""},
          {"gif", gif, "GIF, not JPEG, PNG or WebP"},
          {"page", "<!DOCTYPE html><title>This photo is no longer available</title>",
           "HTML, not JPEG, PNG or WebP"},
          {"truncated", plain.substr(0, plain.size() * 2 / 3), "JPEG: Premature end of JPEG file"},
          {"empty", "", "empty image file"},
          {"huge", with_claimed_size(plain, 20000, 20000), "image of 20000 x 20000 pixels"},
          {"zeros", std::string(300, '\0'), "not JPEG, PNG or WebP"}};
}

}  // namespace vitrail::tests
