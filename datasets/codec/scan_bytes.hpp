// The entropy-coded bytes of a JPEG's one scan without what markers need: zeros stuffed behind 0xff are taken
// out, restart markers divide it into segments, and zeros follow, so that a reader of bits need not look for
// its end at every byte. Source: ITU-T T.81, B.1.1.5 and F.1.2.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace vitrail::datasets {

class ScanBytes {
 public:
  // `encoded`: from behind the scan's header on. Ends at the first marker that is no restart; where there is
  // none, some bytes earlier.
  explicit ScanBytes(std::span<const std::byte> encoded);

  struct Segment {
    std::size_t begin, end;
    int marker;  // number of the restart marker before it, 0 to 7; -1 for the first
  };
  const std::vector<Segment>& segments() const { return segments_; }
  const std::uint8_t* data() const { return bytes_.get(); }

  static constexpr std::size_t kSpareBytes = 4096;  // zeros behind the last segment

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::vector<Segment> segments_;
};

}  // namespace vitrail::datasets
