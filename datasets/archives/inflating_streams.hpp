// Decompression behind compression.hpp: gzip by zlib, whose checksums and byte counts libarchive leaves
// alone; the others by libarchive. Throws: Error(bad_data) for a stream that is cut, damaged or followed by
// something else.
#pragma once

#include <memory>
#include <string>

#include "datasets/archives/byte_stream.hpp"

namespace vitrail::datasets {

std::unique_ptr<ByteStream> open_gzip(ByteStream& compressed, const std::string& name);
std::unique_ptr<ByteStream> open_filtered(ByteStream& compressed, const std::string& form,
                                          const std::string& name);

}  // namespace vitrail::datasets
