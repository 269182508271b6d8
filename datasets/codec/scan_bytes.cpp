#include "datasets/codec/scan_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace vitrail::datasets {

ScanBytes::ScanBytes(std::span<const std::byte> encoded)
    : bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(encoded.size() + kSpareBytes)) {
  constexpr std::size_t kReadAhead =
      16;  // libjpeg warns of the end of the file before it needs what is there
  constexpr int kMarker = 0xff, kFirstRestart = 0xd0, kLastRestart = 0xd7;
  const auto* from = reinterpret_cast<const std::uint8_t*>(encoded.data());
  const std::uint8_t* const end = from + encoded.size();
  std::uint8_t* to = bytes_.get();
  const auto here = [&] { return static_cast<std::size_t>(to - bytes_.get()); };
  segments_.push_back({0, 0, -1});
  while (true) {
    const auto left = static_cast<std::size_t>(end - from);
    const auto* marker = static_cast<const std::uint8_t*>(std::memchr(from, kMarker, left));
    const std::size_t plain = marker == nullptr ? left : static_cast<std::size_t>(marker - from);
    std::memcpy(to, from, plain);
    to += plain;
    if (marker == nullptr || marker + 1 == end || marker[1] == kMarker) {  // cut off, or who knows
      const std::size_t begin = segments_.back().begin;
      segments_.back().end = std::max(here(), begin + kReadAhead) - kReadAhead;
      break;
    }
    const int code = marker[1];
    from = marker + 2;
    if (code == 0) {
      *to++ = kMarker;
    } else if (code >= kFirstRestart && code <= kLastRestart) {
      segments_.back().end = here();
      segments_.push_back({here(), 0, code - kFirstRestart});
    } else {
      segments_.back().end = here();
      break;
    }
  }
  std::memset(to, 0, kSpareBytes);
}

}  // namespace vitrail::datasets
