// Our decoder of baseline JPEGs against libjpeg's, row by row: the same pixels, and damage noticed where
// libjpeg warns of it.
#include "datasets/codec/baseline_jpeg.hpp"

#include <cmath>
#include <csetjmp>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>

#include <gtest/gtest.h>
#include <jerror.h>

#include "datasets/codec/codec.hpp"
#include "datasets/codec/jpeg_errors.hpp"
#include "datasets/codec/jpeg_scan.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

struct Kind {
  int columns = 2, rows = 2;  // luma samples for one of chroma
  int components = 3;
  int quality = 90;
  int restart_interval = 0;
  bool optimised = false;
  bool progressive = false;
};

std::string name_of(const Kind& kind) {
  return fmt::format("{}x{}, {} components, quality {}, restarts {}, optimised {}", kind.columns, kind.rows,
                     kind.components, kind.quality, kind.restart_interval, kind.optimised);
}

// Waves, an edge and as much noise as asked for.
std::vector<std::uint8_t> pixels_of(int width, int height, int components, int noise) {
  Philox random(3, Purpose::test, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < components; ++c) {
        const double wave = 128 + 90 * std::sin(x / 9.0 + 2 * c) * std::cos(y / 7.0 - c) + (x > y ? 30 : -30);
        const double more =
            noise == 0 ? 0 : static_cast<double>(random.below(2 * static_cast<std::uint64_t>(noise))) - noise;
        pixels.push_back(static_cast<std::uint8_t>(std::clamp(wave + more, 0.0, 255.0)));
      }
    }
  }
  return pixels;
}

std::vector<std::byte> encode(int width, int height, const Kind& kind, int noise = 20) {
  const std::vector<std::uint8_t> pixels = pixels_of(width, height, kind.components, noise);
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = kind.components;
  info.in_color_space = kind.components == 1 ? JCS_GRAYSCALE : kind.components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, kind.quality, TRUE);
  info.comp_info[0].h_samp_factor = kind.columns;
  info.comp_info[0].v_samp_factor = kind.rows;
  info.restart_interval = static_cast<unsigned>(kind.restart_interval);
  info.optimize_coding = kind.optimised ? TRUE : FALSE;
  if (kind.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<std::uint8_t*>(
        &pixels[std::size_t{info.next_scanline} * static_cast<std::size_t>(width * kind.components)]);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  const auto* first = reinterpret_cast<const std::byte*>(bytes);
  std::vector<std::byte> file(first, first + size);
  jpeg_destroy_compress(&info);
  std::free(bytes);
  return file;
}

// All but those that lose nothing.
void on_warning(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  const bool harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM ||
                        code == JWRN_NOT_SEQUENTIAL;
  if (level < 0 && !harmless) leave_jpeg(info);
}

// A file that libjpeg has opened; `use` is left where libjpeg fails or warns. False then.
bool with_libjpeg(std::span<const std::byte> file, const std::function<void(jpeg_decompress_struct&)>& use) {
  JpegErrors errors;
  jpeg_decompress_struct info{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = leave_jpeg;
  errors.base.emit_message = on_warning;
  if (setjmp(errors.jump.target) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&info, TRUE);
  use(info);
  jpeg_destroy_decompress(&info);
  return true;
}

// Rows [0, bottom) by libjpeg, nothing skipped; empty where it fails.
Image by_libjpeg(std::span<const std::byte> file, int bottom) {
  Image image;
  const bool good = with_libjpeg(file, [&](jpeg_decompress_struct& info) {
    info.out_color_space = JCS_RGB;
    jpeg_start_decompress(&info);
    image.width = static_cast<int>(info.output_width);
    image.height = static_cast<int>(info.output_height);
    image.rgb.resize(std::size_t{info.output_width} * static_cast<std::size_t>(bottom) * 3);
    while (info.output_scanline < static_cast<JDIMENSION>(bottom)) {
      JSAMPROW row = image.row(static_cast<int>(info.output_scanline));
      jpeg_read_scanlines(&info, &row, 1);
    }
  });
  return good ? image : Image{};
}

enum class Taken { no, declined, yes };

Taken by_us(std::span<const std::byte> file, const Box& box, std::vector<std::uint8_t>& buffer) {
  Taken taken = Taken::no;
  with_libjpeg(file, [&](jpeg_decompress_struct& info) {
    const auto scan = baseline_scan(info);
    if (scan) taken = decode_baseline(*scan, box, buffer) ? Taken::yes : Taken::declined;
  });
  return taken;
}

void expect_same(const Image& expected, const Box& box, const std::uint8_t* pixels, const std::string& name) {
  for (int y = 0; y < box.height; ++y) {
    const std::uint8_t* row = expected.row(box.y + y) + box.x * 3;
    ASSERT_TRUE(std::equal(row, row + box.width * 3, pixels + std::ptrdiff_t{y} * box.width * 3))
        << name << ": row " << y << " of " << box.width << "x" << box.height << " at (" << box.x << ", "
        << box.y << ") of " << expected.width << "x" << expected.height;
  }
}

Box any_box(Philox& random, int width, int height) {
  const auto draw = [&](int below) {
    return static_cast<int>(random.below(static_cast<std::uint64_t>(below)));
  };
  const int x = draw(width), y = draw(height);
  return {x, y, 1 + draw(width - x), 1 + draw(height - y)};
}

void expect_taken(int width, int height, const Kind& kind, int noise = 20) {
  const std::vector<std::byte> file = encode(width, height, kind, noise);
  const Image whole = by_libjpeg(file, height);
  ASSERT_EQ(whole.width, width) << name_of(kind);
  Philox random(4, Purpose::test, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
  std::vector<std::uint8_t> buffer;
  for (int i = 0; i < 20; ++i) {
    const Box box = i == 0 ? Box{0, 0, width, height} : any_box(random, width, height);
    ASSERT_EQ(by_us(file, box, buffer), Taken::yes) << name_of(kind) << ", " << width << "x" << height;
    expect_same(whole, box, buffer.data(), name_of(kind));
    if (testing::Test::HasFatalFailure()) return;
  }
}

class BaselineJpeg : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_baseline_decoder()) GTEST_SKIP() << "this processor has no AVX2";
  }
};

TEST_F(BaselineJpeg, EverySubsamplingAtEveryOddSize) {
  for (const Kind& kind : {Kind{.columns = 1, .rows = 1}, Kind{.columns = 2, .rows = 1}, Kind{},
                           Kind{.columns = 1, .rows = 1, .components = 1}}) {
    for (const int width : {5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 63, 100}) {
      for (const int height : {1, 2, 7, 8, 9, 15, 16, 17, 18, 32, 33, 65}) {
        expect_taken(width, height, kind);
        ASSERT_FALSE(HasFatalFailure());
      }
    }
  }
}

TEST_F(BaselineJpeg, EveryQualityAndItsTables) {
  for (const int quality : {1, 5, 20, 50, 75, 90, 96, 100}) {
    for (const bool optimised : {false, true}) {
      for (const int noise : {0, 10, 120}) {
        expect_taken(113, 87, {.quality = quality, .optimised = optimised}, noise);
        expect_taken(61, 47, {.columns = 1, .rows = 1, .quality = quality, .optimised = optimised}, noise);
        ASSERT_FALSE(HasFatalFailure());
      }
    }
  }
}

TEST_F(BaselineJpeg, RestartMarkers) {
  for (const int interval : {1, 2, 3, 7, 8, 50, 1000}) {
    expect_taken(161, 77, {.restart_interval = interval});
    expect_taken(80, 77, {.columns = 1, .rows = 1, .components = 1, .restart_interval = interval});
    ASSERT_FALSE(HasFatalFailure());
  }
}

TEST_F(BaselineJpeg, OthersAreLeftToLibjpeg) {
  std::vector<std::uint8_t> buffer;
  for (const Kind& kind :
       {Kind{.progressive = true}, Kind{.columns = 1, .rows = 2}, Kind{.columns = 4, .rows = 1},
        Kind{.columns = 1, .rows = 1, .components = 4}, Kind{.columns = 2, .rows = 2, .components = 1}}) {
    const std::vector<std::byte> file = encode(50, 40, kind);
    EXPECT_EQ(by_us(file, {3, 3, 20, 20}, buffer), Taken::no) << name_of(kind);
    const Image whole = decode_image(file);
    const PixelView part = EncodedImage(file).decode({3, 3, 20, 20}, buffer);
    EXPECT_EQ(part.at(3, 3)[0], whole.row(3)[9]);
  }
  EXPECT_EQ(by_us(encode(4, 40, {}), {0, 0, 4, 40}, buffer), Taken::no);  // chroma of two columns is repeated
}

// Whatever one byte is changed to, no part is decoded that libjpeg would give up, nor to other pixels.
TEST_F(BaselineJpeg, DamageIsNoticedAsByLibjpeg) {
  int failed = 0, decoded = 0, taken = 0;
  std::vector<std::uint8_t> buffer;
  Philox random(5, Purpose::test, 0, 0);
  for (const Kind& kind : {Kind{}, Kind{.columns = 1, .rows = 1, .restart_interval = 4},
                           Kind{.columns = 2, .rows = 1, .quality = 40, .optimised = true},
                           Kind{.columns = 1, .rows = 1, .components = 1, .quality = 98}}) {
    const std::vector<std::byte> whole = encode(70, 52, kind);
    for (int i = 0; i < 1500; ++i) {
      std::vector<std::byte> file = whole;
      const auto at = [&] { return static_cast<std::size_t>(random.below(file.size())); };
      if (i % 3 == 0) file.resize(at());
      if (i % 3 == 1 || file.empty()) file = whole;
      if (i % 3 != 0) file[at()] = static_cast<std::byte>(i % 6 == 1 ? 0xff : random.below(256));
      Box box = any_box(random, 70, 52);
      const Image expected = by_libjpeg(file, box.y + box.height);
      std::optional<PixelView> part;
      try {
        EncodedImage encoded(file);
        if (encoded.width() < box.x + box.width || encoded.height() < box.y + box.height) continue;
        part = encoded.decode(box, buffer);
      } catch (const Error&) {
        ++failed;  // libjpeg said so
        continue;
      }
      ASSERT_FALSE(expected.rgb.empty()) << name_of(kind) << ", file " << i;
      std::vector<std::uint8_t> ours;
      for (int y = box.y; y < box.y + box.height; ++y)
        ours.insert(ours.end(), part->at(box.x, y), part->at(box.x, y) + box.width * 3);
      expect_same(expected, box, ours.data(), fmt::format("{}, file {}", name_of(kind), i));
      ASSERT_FALSE(HasFatalFailure());
      ++decoded;
      taken += by_us(file, box, buffer) == Taken::yes ? 1 : 0;
    }
  }
  EXPECT_GT(failed, 500);
  EXPECT_GT(decoded, 500);
  EXPECT_GT(taken, 300);
}

}  // namespace
}  // namespace vitrail::datasets
