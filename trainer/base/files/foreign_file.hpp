// What a file is that was taken for safetensors, told by its first bytes, and what its owner can do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vitrail {

struct ForeignFile {
  std::string what;     // "a Git LFS pointer of 132 bytes, not the file itself"
  std::string way_out;  // may be empty
};

inline constexpr std::size_t kForeignHead = 1024;  // bytes that tell all that is known here

// `head`: the first kForeignHead bytes, or all there are. Nothing where they are none of the known ones.
std::optional<ForeignFile> foreign_file(std::string_view head);

}  // namespace vitrail
