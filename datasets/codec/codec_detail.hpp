// What the decoders share: their form, the pixel cap, and a way to leave C code on an error without
// skipping a destructor. Throws: Error(bad_data) with the library's message.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "datasets/pixels/image.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

inline constexpr std::uint64_t kMaxPixels = std::uint64_t{1} << 28;

// One file, its header read by the constructor. Either of the two reads, once.
class ImageReader {
 public:
  virtual ~ImageReader() = default;

  virtual int width() const = 0;
  virtual int height() const = 0;
  virtual bool is_scalable() const = 0;
  virtual Image read() = 0;
  virtual PixelView read_part(const Box& box, int eighths, std::vector<std::uint8_t>& buffer) = 0;
};

std::unique_ptr<ImageReader> open_jpeg(std::span<const std::byte> encoded);
std::unique_ptr<ImageReader> open_png(std::span<const std::byte> encoded);
std::unique_ptr<ImageReader> open_webp(std::span<const std::byte> encoded);

// Where a C library's error callback leaves its words and jumps to.
struct Jump {
  std::jmp_buf target;
  char message[256] = {};
};

// Runs `calls`, which may be left by longjmp at any point: it holds library calls and trivial objects only.
template <class Calls>
void guarded(Jump& jump, const char* library, Calls&& calls) {
  if (setjmp(jump.target) != 0) {
    throw Error(ExitCode::bad_data, fmt::format("{}: {}", library, static_cast<const char*>(jump.message)));
  }
  calls();
}

inline void check_pixels(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0 || width > kMaxPixels || width * height > kMaxPixels) {
    throw Error(ExitCode::bad_data,
                fmt::format("image of {} x {} pixels; the limit is {} pixels", width, height, kMaxPixels));
  }
}

}  // namespace vitrail::datasets
