#include <algorithm>
#include <memory>
#include <new>

#include <webp/decode.h>
#include <webp/demux.h>

#include "datasets/codec/codec_detail.hpp"

namespace vitrail::datasets {
namespace {

using Anim = std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)>;

// Of an animation the first frame on its canvas, as Pillow opens it. Alpha is dropped, not blended, as in
// PNGs.
class WebpReader : public ImageReader {
 public:
  explicit WebpReader(std::span<const std::byte> encoded)
      : bytes_(reinterpret_cast<const std::uint8_t*>(encoded.data()), encoded.size()) {
    // libwebp decodes what is there; the container says how much that should be.
    std::uint64_t claimed = 8;
    for (std::size_t i = 0; i < 4; ++i) claimed += std::uint64_t{bytes_[4 + i]} << (8 * i);
    if (claimed > bytes_.size()) {
      throw Error(ExitCode::bad_data,
                  fmt::format("WebP: the file is truncated: {} bytes of {}", bytes_.size(), claimed));
    }
    WebPBitstreamFeatures features;
    check(WebPGetFeatures(bytes_.data(), bytes_.size(), &features));
    check_pixels(static_cast<std::uint64_t>(features.width), static_cast<std::uint64_t>(features.height));
    width_ = features.width;
    height_ = features.height;
    is_animated_ = features.has_animation != 0;
  }

  int width() const override { return width_; }
  int height() const override { return height_; }
  bool is_scalable() const override { return false; }

  Image read() override {
    Image image{width_, height_, {}};
    image.rgb.resize(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 3);
    if (is_animated_) {
      read_first_frame(image.rgb);
    } else {
      WebPDecoderConfig config;
      if (WebPInitDecoderConfig(&config) == 0) throw Error(ExitCode::crash, "libwebp is another version");
      config.output.colorspace = MODE_RGB;
      config.output.is_external_memory = 1;
      config.output.u.RGBA = {image.rgb.data(), width_ * 3, image.rgb.size()};
      check(WebPDecode(bytes_.data(), bytes_.size(), &config));
    }
    return image;
  }

  PixelView read_part(const Box& /*box*/, int /*eighths*/, std::vector<std::uint8_t>& buffer) override {
    buffer = read().rgb;
    return {buffer.data(), {0, 0, width_, height_}};
  }

 private:
  static void check(VP8StatusCode status) {
    if (status == VP8_STATUS_OK) return;
    if (status == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
    const bool is_short = status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED;
    throw Error(ExitCode::bad_data,
                is_short ? "WebP: the image ends early" : "WebP: damaged, or of an unknown kind");
  }

  void read_first_frame(std::vector<std::uint8_t>& rgb) const {
    const WebPData data{bytes_.data(), bytes_.size()};
    WebPAnimDecoderOptions options;
    if (WebPAnimDecoderOptionsInit(&options) == 0) throw Error(ExitCode::crash, "libwebp is another version");
    const Anim decoder(WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
    std::uint8_t* rgba = nullptr;
    int until = 0;
    if (!decoder || WebPAnimDecoderGetNext(decoder.get(), &rgba, &until) == 0) {
      throw Error(ExitCode::bad_data, "WebP: the animation has no first frame that can be read");
    }
    for (std::size_t i = 0; i < rgb.size() / 3; ++i) std::copy_n(rgba + 4 * i, 3, &rgb[3 * i]);
  }

  const std::span<const std::uint8_t> bytes_;
  int width_ = 0, height_ = 0;
  bool is_animated_ = false;
};

}  // namespace

std::unique_ptr<ImageReader> open_webp(std::span<const std::byte> encoded) {
  return std::make_unique<WebpReader>(encoded);
}

}  // namespace vitrail::datasets
