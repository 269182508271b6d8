// How a file is compressed, by its first bytes, and what is inside as a stream. A stream that is cut, damaged
// or followed by something else is Error(bad_data) with the byte, when its end is reached. Error(refused) for
// a form that cannot be read from end to end, with what to do about it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "datasets/archives/byte_stream.hpp"

namespace vitrail::datasets {

enum class Compression { none, gzip, bzip2, xz, zstd, lz4, compress, zip, seven_zip, rar };

Compression compression_of(std::span<const std::byte> head);    // 8 bytes or fewer
Compression compression_of(const std::filesystem::path& file);  // none for what is no file
Compression compression_by_name(const std::string& name);       // of a/b.tar.gz

const char* name_of(Compression compression);     // "gzip"
const char* program_of(Compression compression);  // "gunzip"
std::string way_out_of(Compression compression);  // "decompress it first: gunzip"

bool is_stream(Compression compression);  // not an archive of its own as zip

// `compressed` outlives it; `name` is for messages.
std::unique_ptr<ByteStream> decompress(ByteStream& compressed, Compression compression,
                                       const std::string& name);

}  // namespace vitrail::datasets
