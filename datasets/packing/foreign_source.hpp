// Formats of other libraries that are not read, told with the way out of them: by the word before the colon,
// by a file's name, or by what lies in a folder.
#pragma once

#include <optional>
#include <string>

namespace vitrail::datasets {

struct ForeignSource {
  const char* what;
  const char* way;
};

// "mds:DIR", "DIR" with the index of MosaicML's shards, "x.beton", ...; `source` as a user gave it.
std::optional<ForeignSource> foreign_source(const std::string& source);

}  // namespace vitrail::datasets
