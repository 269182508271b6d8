#include <algorithm>
#include <cstdio>
#include <limits>

#include <jerror.h>
#include <jpeglib.h>

#include "datasets/codec/codec.hpp"
#include "datasets/codec/jpeg_errors.hpp"
#include "datasets/codec/jpeg_scan.hpp"

namespace vitrail::datasets {
namespace {

// level < 0 is a warning: pixels were lost or made up. The four let through lose none: bytes between
// segments, odd JFIF and Adobe version numbers (ImageNet has some), and a scan of a sequential JPEG that says
// that it held a part of the coefficients (telephones write that): it holds all, and libjpeg reads all.
// Pillow reads such files as well.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM ||
      code == JWRN_NOT_SEQUENTIAL) {
    return;
  }
  leave_jpeg(info);
}

constexpr int kMargin = 3;  // columns decoded on each side of those that are wanted

class JpegReader : public ImageReader {
 public:
  explicit JpegReader(std::span<const std::byte> encoded) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave_jpeg;
    errors_.base.emit_message = on_message;
    try {
      run([&] {
        jpeg_create_decompress(&info_);
        jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(encoded.data()), encoded.size());
        jpeg_read_header(&info_, TRUE);
      });
      check_pixels(info_.image_width, info_.image_height);
      if (info_.num_components == 2 || info_.num_components > 4) {
        throw Error(ExitCode::bad_data, fmt::format("JPEG with {} components", info_.num_components));
      }
    } catch (...) {
      jpeg_destroy_decompress(&info_);
      throw;
    }
  }
  ~JpegReader() override { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  int width() const override { return static_cast<int>(info_.image_width); }
  int height() const override { return static_cast<int>(info_.image_height); }
  bool is_scalable() const override { return true; }

  Image read() override {
    Image image{width(), height(), {}};
    image.rgb.resize(std::size_t{info_.image_width} * info_.image_height * 3);
    start(8);
    check_scans();
    read_rows(image.rgb.data(), 0, info_.output_height);
    run([&] { jpeg_finish_decompress(&info_); });
    return image;
  }

  PixelView read_part(const Box& box, int eighths, std::vector<std::uint8_t>& buffer) override {
    if (eighths == 8) {
      const auto scan = baseline_scan(info_);
      if (scan && decode_baseline(*scan, box, buffer)) return {buffer.data(), box};
    }
    start(eighths);
    JDIMENSION left = 0, columns = info_.output_width;
    JDIMENSION top = 0, bottom = info_.output_height;
    if (is_plain()) {
      // Interpolated chroma looks one pixel to each side, and libjpeg gets strips of one chroma sample wrong.
      // It moves `left` to the block it lies in.
      left = static_cast<JDIMENSION>(std::max(box.x - kMargin, 0));
      columns = std::min(static_cast<JDIMENSION>(box.x + box.width + kMargin), info_.output_width) - left;
      top = static_cast<JDIMENSION>(box.y);
      bottom = static_cast<JDIMENSION>(box.y + box.height);
      run([&] { jpeg_crop_scanline(&info_, &left, &columns); });
    }
    const std::size_t bytes = std::size_t{columns} * (bottom - top) * 3;
    if (buffer.size() < bytes) buffer.resize(bytes);  // never smaller: new bytes would be zeroed first
    read_rows(buffer.data(), top, bottom);
    return {buffer.data(),
            {static_cast<int>(left), static_cast<int>(top), static_cast<int>(columns),
             static_cast<int>(bottom - top)}};
  }

 private:
  template <class Calls>
  void run(Calls&& calls) {
    guarded(errors_.jump, "JPEG", calls);
  }

  bool is_cmyk() const { return info_.num_components == 4; }

  // Where libjpeg can skip: it must see all scans of an image before the first row is known.
  bool is_plain() {
    return !info_.progressive_mode && !info_.arith_code && !is_cmyk() && !jpeg_has_multiple_scans(&info_);
  }

  void start(int eighths) {
    info_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    info_.scale_num = static_cast<unsigned>(eighths);
    info_.scale_denom = 8;
    run([&] { jpeg_start_decompress(&info_); });
  }

  // All scans of a progressive JPEG have been read by now. Where the last ones are missing libjpeg smooths
  // over it, without a word. Coefficients that no scan ever began are zero, as the encoder wants; but of the
  // first there is always one.
  void check_scans() const {
    if (!info_.progressive_mode || info_.coef_bits == nullptr) return;
    for (int c = 0; c < info_.num_components; ++c) {
      const int* const bits_missing = info_.coef_bits[c];
      const bool unfinished =
          std::any_of(bits_missing, bits_missing + DCTSIZE2, [](int bits) { return bits > 0; });
      if (unfinished || bits_missing[0] < 0 || bits_missing[1] < 0) {
        throw Error(ExitCode::bad_data, "JPEG: progressive scans are missing");
      }
    }
  }

  void read_rows(std::uint8_t* rgb, JDIMENSION top, JDIMENSION bottom) {
    const std::size_t row_bytes = std::size_t{info_.output_width} * 3;
    std::vector<std::uint8_t> inks(is_cmyk() ? std::size_t{info_.output_width} * 4 : 0);
    const auto columns = static_cast<int>(info_.output_width);
    run([&] {
      if (top > 0) jpeg_skip_scanlines(&info_, top);
      while (info_.output_scanline < bottom) {
        const JDIMENSION line = info_.output_scanline;
        std::uint8_t* const row = rgb + (line - top) * row_bytes;
        if (is_cmyk()) {
          JSAMPROW target = inks.data();
          jpeg_read_scanlines(&info_, &target, 1);
          to_rgb(inks.data(), row, columns);
          continue;
        }
        constexpr JDIMENSION kRows = 4;  // as many as a block of subsampled chroma gives at once, at most
        JSAMPROW targets[kRows];
        for (JDIMENSION i = 0; i < kRows; ++i) targets[i] = row + i * row_bytes;
        jpeg_read_scanlines(&info_, targets, std::min(kRows, bottom - line));
      }
    });
  }

  // Pillow's CMYK -> RGB with Adobe's polarity (stored values are 255 - ink), which it assumes for every CMYK
  // JPEG.
  static void to_rgb(const std::uint8_t* stored, std::uint8_t* rgb, int width) {
    for (int x = 0; x < width; ++x, stored += 4, rgb += 3) {
      const int white = stored[3];  // 255 - K
      for (int c = 0; c < 3; ++c) {
        const int scaled = (255 - stored[c]) * white + 128;
        rgb[c] = static_cast<std::uint8_t>(std::clamp(white - ((scaled + (scaled >> 8)) >> 8), 0, 255));
      }
    }
  }

  JpegErrors errors_;
  jpeg_decompress_struct info_{};
};

}  // namespace

std::unique_ptr<ImageReader> open_jpeg(std::span<const std::byte> encoded) {
  return std::make_unique<JpegReader>(encoded);
}

}  // namespace vitrail::datasets
