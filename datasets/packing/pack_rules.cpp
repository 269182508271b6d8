#include "datasets/packing/pack_rules.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "datasets/codec/codec.hpp"
#include "datasets/codec/jpeg_encoder.hpp"
#include "datasets/pack/pack_format.hpp"
#include "datasets/pixels/resize.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

// Formats that collections are known to hold under an image's name, told so that nobody has to look.
void refuse_known_formats(std::span<const std::byte> encoded) {
  using std::string_view_literals::operator""sv;
  struct Format {
    std::string_view head;
    const char* name;
  };
  static constexpr Format kFormats[] = {
      {"GIF87a"sv, "GIF"}, {"GIF89a"sv, "GIF"},     {"BM"sv, "BMP"},     {"II*\0"sv, "TIFF"},
      {"MM\0*"sv, "TIFF"}, {"<!DOCTYPE"sv, "HTML"}, {"<html"sv, "HTML"}, {"\0\0\0\x0cjP"sv, "JPEG 2000"}};
  const std::string_view head(reinterpret_cast<const char*>(encoded.data()),
                              std::min<std::size_t>(encoded.size(), 16));
  for (const Format& format : kFormats) {
    if (head.starts_with(format.head)) {
      throw Error(ExitCode::bad_data, fmt::format("{}, not JPEG, PNG or WebP", format.name));
    }
  }
}

// torchvision's Resize: the short side exactly, the long one in proportion, rounded down.
StoredImage shrink(const Image& image, const Reencode& to) {
  const std::int64_t side = to.short_side, shorter = std::min(image.width, image.height);
  const int width = static_cast<int>(side * image.width / shorter);
  const int height = static_cast<int>(side * image.height / shorter);
  const Image small = resize(image, {0, 0, image.width, image.height}, width, height);
  return {copied(encode_jpeg(small, to.quality)), static_cast<std::uint16_t>(height),
          static_cast<std::uint16_t>(width)};
}

}  // namespace

const char* describe(Flaw flaw) {
  switch (flaw) {
    case Flaw::outside_class:
      return "not in the folder of a class";
    case Flaw::hidden:
      return "hidden: a name that begins with a dot";
    case Flaw::system_folder:
      return "in a folder of the system's";
    case Flaw::link_loop:
      return "a link to a folder that holds it";
    case Flaw::no_label:
      return "no label is known for it";
    case Flaw::no_image:
      return "a sample without a .jpg, .jpeg, .png or .webp";
    case Flaw::no_sample:
      return "its name is not that of a part of a sample, SAMPLE.ENDING";
    case Flaw::not_class_archive:
      return "not the archive of a class, nXXXXXXXX.tar";
    case Flaw::not_a_file:
      return "not a file";
    case Flaw::odd_name:
      return "its name is empty or not UTF-8";
    case Flaw::long_name:
      return "its name is longer than 1024 bytes";
    case Flaw::repeated_name:
      return "a second file of this name";
    case Flaw::too_large:
      return "a file of more than 2^30 bytes";
    case Flaw::none:
      break;
  }
  return "";
}

Flaw flaw_of(const std::string& key, std::uint64_t bytes, bool is_file) {
  if (!is_file) return Flaw::not_a_file;
  if (key.empty() || !is_utf8(key) || key.find('\0') != std::string::npos) return Flaw::odd_name;
  if (key.size() > kMaxKeyBytes) return Flaw::long_name;
  return bytes > kMaxImageFileBytes ? Flaw::too_large : Flaw::none;
}

bool leads_out(std::string_view key) {
  if (key.starts_with('/')) return true;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('/', begin), key.size());
    if (key.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

void refuse_leading_out(std::string_view key) {
  if (!leads_out(key)) return;
  throw Error(ExitCode::bad_data,
              fmt::format("the name {} leads out of the source", printable(std::string(key))),
              "names begin at the source's own folder, without / in front and without ..: rename it");
}

Reencode parse_reencode(const std::string& text) {
  Reencode to;
  const char* const end = text.data() + text.size();
  const auto side = std::from_chars(text.data(), end, to.short_side);
  const bool comma = side.ec == std::errc() && side.ptr != end && *side.ptr == ',';
  const auto quality = std::from_chars(comma ? side.ptr + 1 : end, end, to.quality);
  if (!comma || quality.ec != std::errc() || quality.ptr != end || to.short_side < 1 ||
      to.short_side > 65535 || to.quality < 1 || to.quality > 100) {
    throw Error(ExitCode::usage, fmt::format("re-encoding to {}: not SIDE,QUALITY", text),
                "for example 256,90: pixels of the short side, and libjpeg's quality from 1 to 100");
  }
  return to;
}

StoredImage store_image(Bytes encoded, const std::optional<Reencode>& reencode) {
  refuse_known_formats(encoded);
  const Image image = decode_image(encoded);
  constexpr int kMaxSide = std::numeric_limits<std::uint16_t>::max();
  if (image.width > kMaxSide || image.height > kMaxSide) {
    throw Error(ExitCode::bad_data,
                fmt::format("{} x {} pixels: a side is longer than {}", image.width, image.height, kMaxSide));
  }
  if (reencode && std::min(image.width, image.height) > reencode->short_side) return shrink(image, *reencode);
  return {std::move(encoded), static_cast<std::uint16_t>(image.height),
          static_cast<std::uint16_t>(image.width)};
}

}  // namespace vitrail::datasets
