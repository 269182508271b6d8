// A function of one byte, applied to many: 64 at once with AVX-512 VBMI, which holds the whole table in four
// registers, else one by one. Both give the same bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace vitrail::datasets {

using ByteTable = std::array<std::uint8_t, 256>;

void look_up(const ByteTable& table, std::span<std::uint8_t> bytes);
void look_up_one_by_one(const ByteTable& table, std::span<std::uint8_t> bytes);

}  // namespace vitrail::datasets
