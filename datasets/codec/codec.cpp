#include "datasets/codec/codec.hpp"

#include <algorithm>
#include <array>

#include "datasets/codec/codec_detail.hpp"

namespace vitrail::datasets {
namespace {

template <std::size_t N>
bool starts_with(std::span<const std::byte> bytes, const std::array<unsigned char, N>& magic) {
  return bytes.size() >= N && std::equal(magic.begin(), magic.end(), bytes.begin(),
                                         [](unsigned char a, std::byte b) { return std::byte{a} == b; });
}

bool is_webp(std::span<const std::byte> encoded) {
  constexpr std::array<unsigned char, 4> kRiff = {'R', 'I', 'F', 'F'}, kWebp = {'W', 'E', 'B', 'P'};
  return starts_with(encoded, kRiff) && encoded.size() >= 8 && starts_with(encoded.subspan(8), kWebp);
}

std::unique_ptr<ImageReader> open_image(std::span<const std::byte> encoded) {
  constexpr std::array<unsigned char, 3> kJpeg = {0xff, 0xd8, 0xff};
  constexpr std::array<unsigned char, 8> kPng = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  if (starts_with(encoded, kJpeg)) return open_jpeg(encoded);
  if (starts_with(encoded, kPng)) return open_png(encoded);
  if (is_webp(encoded)) return open_webp(encoded);
  if (encoded.empty()) throw Error(ExitCode::bad_data, "empty image file");
  std::string head;
  for (std::size_t i = 0; i < std::min<std::size_t>(encoded.size(), 8); ++i) {
    head += fmt::format(" {:02x}", static_cast<unsigned>(encoded[i]));
  }
  throw Error(ExitCode::bad_data, fmt::format("not JPEG, PNG or WebP: the file starts with{}", head));
}

}  // namespace

EncodedImage::EncodedImage(std::span<const std::byte> encoded) : reader_(open_image(encoded)) {}
EncodedImage::~EncodedImage() = default;

int EncodedImage::width() const { return reader_->width(); }
int EncodedImage::height() const { return reader_->height(); }
bool EncodedImage::is_scalable() const { return reader_->is_scalable(); }

PixelView EncodedImage::decode(const Box& box, std::vector<std::uint8_t>& buffer, int eighths) {
  return reader_->read_part(box, eighths, buffer);
}

Image decode_image(std::span<const std::byte> encoded) { return open_image(encoded)->read(); }

}  // namespace vitrail::datasets
