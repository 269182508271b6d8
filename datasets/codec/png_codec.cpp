#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>

#include <png.h>

#include "datasets/codec/codec.hpp"
#include "datasets/codec/codec_detail.hpp"

namespace vitrail::datasets {
namespace {

[[noreturn]] void leave(png_structp png, png_const_charp message) {
  auto* jump = static_cast<Jump*>(png_get_error_ptr(png));
  std::snprintf(jump->message, sizeof jump->message, "%s", message);
  std::longjmp(jump->target, 1);
}

// libpng's warnings are about odd metadata; whatever costs pixels is an error to it.
void on_warning(png_structp, png_const_charp) {}

class PngReader : public ImageReader {
 public:
  explicit PngReader(std::span<const std::byte> encoded) : rest_(encoded) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &jump_, leave, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
    png_set_read_fn(png_, &rest_, take);
    try {
      read_header();
    } catch (...) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      throw;
    }
  }
  ~PngReader() override { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  int width() const override { return static_cast<int>(png_get_image_width(png_, info_)); }
  int height() const override { return static_cast<int>(png_get_image_height(png_, info_)); }
  bool is_scalable() const override { return false; }

  // Rows may be interlaced, and those below the box are cheap: all are read.
  PixelView read_part(const Box&, int, std::vector<std::uint8_t>& buffer) override {
    Image image = read();
    buffer = std::move(image.rgb);
    return {buffer.data(), {0, 0, image.width, image.height}};
  }

  Image read() override {
    const std::uint32_t width = png_get_image_width(png_, info_), height = png_get_image_height(png_, info_);
    const bool grey16 =
        png_get_bit_depth(png_, info_) == 16 && png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY;
    run([&] { grey16 ? keep_grey16() : to_rgb8(); });
    Image image{static_cast<int>(width), static_cast<int>(height), {}};
    image.rgb.resize(std::size_t{width} * height * 3);
    std::vector<std::uint8_t> wide(grey16 ? std::size_t{width} * height * 2 : 0);
    std::vector<png_bytep> rows(height);
    for (std::size_t y = 0; y < height; ++y) {
      rows[y] = grey16 ? &wide[y * width * 2] : image.row(static_cast<int>(y));
    }
    run([&] { png_read_image(png_, rows.data()); });
    run([&] { png_read_end(png_, nullptr); });
    for (std::size_t i = 0; i < wide.size(); i += 2) {  // big endian; Pillow clips here and doesn't scale
      std::fill_n(&image.rgb[i / 2 * 3], 3, wide[i] != 0 ? 255 : wide[i + 1]);
    }
    return image;
  }

 private:
  template <class Calls>
  void run(Calls&& calls) {
    guarded(jump_, "PNG", calls);
  }

  void read_header() {
    run([&] { png_set_user_limits(png_, kMaxPixels, kMaxPixels); });
    run([&] { png_read_info(png_, info_); });
    check_pixels(png_get_image_width(png_, info_), png_get_image_height(png_, info_));
  }

  void keep_grey16() {
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
  }

  // As Pillow's convert("RGB"): 16-bit samples lose the low byte, alpha is dropped, not blended.
  void to_rgb8() {
    const int colour = png_get_color_type(png_, info_);
    png_set_strip_16(png_);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
    if ((colour & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != std::size_t{png_get_image_width(png_, info_)} * 3) {
      png_error(png_, "rows of an unexpected length");
    }
  }

  static void take(png_structp png, png_bytep target, std::size_t count) {
    auto* rest = static_cast<std::span<const std::byte>*>(png_get_io_ptr(png));
    if (rest->size() < count) png_error(png, "the file is truncated");
    std::memcpy(target, rest->data(), count);
    *rest = rest->subspan(count);
  }

  Jump jump_;
  std::span<const std::byte> rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &jump_, leave, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, nullptr);
      throw std::bad_alloc();
    }
    png_set_write_fn(png_, &bytes_, put, nullptr);
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  // `pixels`: rows without padding, 1 (grey) or 3 (RGB) bytes a pixel.
  std::vector<std::byte> write(int width, int height, int channels, const std::uint8_t* pixels) {
    guarded(jump_, "PNG", [&] {
      png_set_IHDR(png_, info_, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8,
                   channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                   PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
      png_write_info(png_, info_);
      const std::size_t stride = static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
      for (int y = 0; y < height; ++y) png_write_row(png_, pixels + static_cast<std::size_t>(y) * stride);
      png_write_end(png_, nullptr);
    });
    return std::move(bytes_);
  }

 private:
  static void put(png_structp png, png_bytep source, std::size_t count) {
    auto* bytes = static_cast<std::vector<std::byte>*>(png_get_io_ptr(png));
    const auto* first = reinterpret_cast<const std::byte*>(source);
    try {
      bytes->insert(bytes->end(), first, first + count);
    } catch (const std::exception&) {
      png_error(png, "out of memory");  // a C++ exception must not pass through C frames
    }
  }

  Jump jump_;
  std::vector<std::byte> bytes_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

std::unique_ptr<ImageReader> open_png(std::span<const std::byte> encoded) {
  return std::make_unique<PngReader>(encoded);
}

std::vector<std::byte> encode_png(const Image& image) {
  check_pixels(static_cast<std::uint64_t>(std::max(image.width, 0)),
               static_cast<std::uint64_t>(std::max(image.height, 0)));
  std::vector<std::uint8_t> grey(image.rgb.size() / 3);
  for (std::size_t i = 0; i < grey.size(); ++i) {
    const std::uint8_t* p = image.rgb.data() + 3 * i;
    if (p[0] != p[1] || p[1] != p[2])
      return PngWriter().write(image.width, image.height, 3, image.rgb.data());
    grey[i] = p[0];
  }
  return PngWriter().write(image.width, image.height, 1, grey.data());
}

}  // namespace vitrail::datasets
