// CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected; RFC 3720 B.4), with the processor's instructions
// where it has them. crc32c(b, crc32c(a)) is the CRC of a followed by b.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vitrail::datasets {

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);
std::uint32_t crc32c_by_table(std::span<const std::byte> bytes,
                              std::uint32_t before = 0);  // on every machine

}  // namespace vitrail::datasets
