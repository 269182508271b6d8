#include <algorithm>
#include <cstdio>
#include <limits>

#include <jerror.h>
#include <jpeglib.h>

#include "datasets/codec_detail.hpp"

namespace vitrail::datasets {
namespace {

struct ErrorManager {
  jpeg_error_mgr base{};  // first: libjpeg's pointer to it is a pointer to the whole
  Jump jump;
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* manager = reinterpret_cast<ErrorManager*>(info->err);
  static_assert(sizeof(Jump::message) >= JMSG_LENGTH_MAX);
  manager->base.format_message(info, manager->jump.message);
  std::longjmp(manager->jump.target, 1);
}

// level < 0 is a warning: pixels were lost or made up. The three let through lose none: bytes between
// segments, and odd JFIF and Adobe version numbers. Pillow reads such files as well, and ImageNet has some.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  if (code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM) return;
  leave(info);
}

class JpegReader {
 public:
  explicit JpegReader(std::span<const std::byte> encoded) {
    info_.err = jpeg_std_error(&manager_.base);
    manager_.base.error_exit = leave;
    manager_.base.emit_message = on_message;
    run([&] {
      jpeg_create_decompress(&info_);
      jpeg_mem_src(&info_, reinterpret_cast<const unsigned char*>(encoded.data()), encoded.size());
    });
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  Image read() {
    run([&] { jpeg_read_header(&info_, TRUE); });
    check_pixels(info_.image_width, info_.image_height);
    const bool cmyk = info_.num_components == 4;
    if (info_.num_components == 2 || info_.num_components > 4) {
      throw Error(ExitCode::bad_data, fmt::format("JPEG with {} components", info_.num_components));
    }
    info_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    Image image{static_cast<int>(info_.image_width), static_cast<int>(info_.image_height), {}};
    image.rgb.resize(std::size_t{info_.image_width} * info_.image_height * 3);
    std::vector<std::uint8_t> inks(cmyk ? std::size_t{info_.image_width} * 4 : 0);
    run([&] { jpeg_start_decompress(&info_); });
    run([&] {
      while (info_.output_scanline < info_.output_height) {
        std::uint8_t* const row = image.row(static_cast<int>(info_.output_scanline));
        JSAMPROW target = cmyk ? inks.data() : row;
        jpeg_read_scanlines(&info_, &target, 1);
        if (cmyk) to_rgb(inks.data(), row, image.width);
      }
    });
    run([&] { jpeg_finish_decompress(&info_); });
    return image;
  }

 private:
  template <class Calls>
  void run(Calls&& calls) {
    guarded(manager_.jump, "JPEG", calls);
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

  ErrorManager manager_;
  jpeg_decompress_struct info_{};
};

}  // namespace

Image decode_jpeg(std::span<const std::byte> encoded) {
  JpegReader reader(encoded);
  return reader.read();
}

}  // namespace vitrail::datasets
