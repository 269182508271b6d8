// What may be part of a pack, and the reason why something may not: the rules of datasets/README.md
// ("Quarantine"), all in one place. A bad image never stops a pack; a damaged archive does.
// Throws: Error(bad_data) with the reason, from store_image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "datasets/bytes.hpp"

namespace vitrail::datasets {

inline constexpr std::uint64_t kMaxImageFileBytes = std::uint64_t{1} << 30;
inline constexpr std::size_t kMaxKeyBytes = 1024;  // every key of a pack is as long as its longest

// What is known to be no image before it is read.
enum class Flaw : std::uint8_t {
  none,
  outside_class,
  hidden,
  system_folder,
  link_loop,
  no_label,
  not_class_archive,
  not_a_file,
  odd_name,
  long_name,
  repeated_name,
  too_large,
  no_image,
  no_sample
};

const char* describe(Flaw flaw);

// The flaw of a file with this key, from its name and size.
Flaw flaw_of(const std::string& key, std::uint64_t bytes, bool is_file);

// "/a", "a/../b": unpacked, such a file would lie somewhere else than in its folder.
bool leads_out(std::string_view key);
void refuse_leading_out(std::string_view key);  // Error(bad_data)

// Larger images shrink to this short side and become JPEGs of this quality; others stay as they are.
struct Reencode {
  int short_side = 0;  // pixels
  int quality = 0;     // libjpeg's 1 to 100
};

Reencode parse_reencode(const std::string& text);  // "256,90"; Error(usage)

struct StoredImage {
  Bytes encoded;
  std::uint16_t height = 0, width = 0;
};

// Decodes the whole image once. What is stored is what came, unless `reencode` applies.
StoredImage store_image(Bytes encoded, const std::optional<Reencode>& reencode);

}  // namespace vitrail::datasets
