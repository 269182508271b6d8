// Whether a tar is whole. Its end mark is two blocks of 512 zeros; what cuts a download between two members,
// or leaves the rest of a preallocated file empty, is seen only here. Throws: Error(bad_data) with the byte
// where the archive stops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "datasets/archives/byte_stream.hpp"

namespace vitrail::datasets {

inline constexpr std::uint64_t kTarBlock = 512;
inline constexpr std::uint64_t kTarEndMark = 2 * kTarBlock;
// tar, bsdtar and Python's tarfile fill up their last record with zeros, of 20 blocks unless told otherwise.
inline constexpr std::uint64_t kTarRecord = 20 * kTarBlock;
// The most zeros that a whole archive ends with: a mark whose second block begins a record. More of them are
// what was never written. (A download that lacks less than this, right behind a member, cannot be told from a
// whole one.)
inline constexpr std::uint64_t kTarMostZeros = kTarRecord + kTarBlock;

// `end`: where the last member ends, with its padding; what follows is `known`, then `rest`. All of it is
// read.
void check_tar_end(const std::string& name, const std::string& last_member, std::uint64_t end,
                   std::span<const std::byte> known, ByteStream& rest);

}  // namespace vitrail::datasets
