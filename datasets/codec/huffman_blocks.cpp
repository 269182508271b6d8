#include "datasets/codec/huffman_blocks.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

// Shifts by a register's count, three times as fast as the oldest processors'.
#ifdef __x86_64__
#define VITRAIL_BITS __attribute__((target("bmi,bmi2")))
#else
#define VITRAIL_BITS
#endif

namespace vitrail::datasets {
namespace {

// An entry: bits of code and value (6 bits of 8) | by how much the coefficient's number rises (8) | bits of
// the code (8) | bits of the value (8). Where the bits looked at are not the whole code: kLong, and nothing
// to drop.
constexpr std::uint32_t kEndOfBlock = 128, kLong = 192;
constexpr int kSizeMask = 15, kZeroRun = 15, kCoefficients = 64;

constexpr std::uint32_t entry_of(int length, std::uint32_t rise, int size) {
  return static_cast<std::uint32_t>(length + size) | rise << 8 | static_cast<std::uint32_t>(length) << 16 |
         static_cast<std::uint32_t>(size) << 24;
}

constexpr std::uint32_t rise_of(std::uint32_t entry) { return entry >> 8 & 255; }

// Where coefficient k of the zigzag lies in a block of a BlockPair; beyond 63 nowhere.
constexpr auto kPlaces = [] {
  std::array<std::uint8_t, kCoefficients + kLong> places{};
  places.fill(static_cast<std::uint8_t>(BlockPair::kValues));
  int row = 0, column = 0;
  for (std::size_t k = 0; k < kCoefficients; ++k) {
    places[k] = static_cast<std::uint8_t>(row * 16 + column);
    const bool up = (row + column) % 2 == 0;
    if (up) {
      if (column == 7) {
        ++row;
      } else {
        ++column;
        row -= row > 0 ? 1 : 0;
      }
    } else if (row == 7) {
      ++column;
    } else {
      ++row;
      column -= column > 0 ? 1 : 0;
    }
  }
  return places;
}();

// The value in the first `size` bits of `bits`, 0 to 15: those that begin with 0 are negative.
inline int value_in(std::uint64_t bits, std::uint32_t size) {
  const auto positive = static_cast<int>(static_cast<std::int64_t>(bits) >> 63);  // or 0
  return static_cast<int>(bits >> 1 >> (63 - size)) + (~positive & (1 - (1 << size)));
}

}  // namespace

bool HuffmanTable::assign(std::span<const std::uint8_t> counts, std::span<const std::uint8_t> symbols,
                          bool of_dc) {
  of_dc_ = of_dc;
  entries_.fill(entry_of(0, kLong, 0));
  std::uint32_t code = 0;
  std::size_t at = 0, total = 0;
  for (std::size_t length = 1; length <= 16; ++length) total += counts[length];
  if (total > symbols_.size()) return false;
  for (int length = 1; length <= 16; ++length, code <<= 1) {
    offset_[static_cast<std::size_t>(length)] =
        static_cast<std::int32_t>(at) - static_cast<std::int32_t>(code);
    for (int i = 0; i < counts[static_cast<std::size_t>(length)]; ++i, ++at, ++code) {
      symbols_[at] = symbols[at];
      if (of_dc && symbols[at] > kSizeMask) return false;
      if (length <= kLook && code < 1U << length) enter(code, length, symbols[at]);
    }
    if (at < total || counts[static_cast<std::size_t>(length)] > 0) {
      if (code >= 1U << length) return false;  // a code of ones only is none
    }
    limit_[static_cast<std::size_t>(length)] = code << (16 - length);
  }
  return true;
}

std::uint32_t HuffmanTable::entry_for(int length, int symbol) const {
  const int size = symbol & kSizeMask, run = symbol >> 4;
  const bool ends = size == 0 && run != kZeroRun && !of_dc_;
  return entry_of(length, ends ? kEndOfBlock : static_cast<std::uint32_t>(run) + 1, size);
}

void HuffmanTable::enter(std::uint32_t code, int length, int symbol) {
  std::fill_n(entries_.data() + (std::size_t{code} << (kLook - length)), std::size_t{1} << (kLook - length),
              entry_for(length, symbol));
}

inline void BlockReader::refill() {  // to 56 bits or more
  std::uint64_t bytes;
  std::memcpy(&bytes, next_, sizeof bytes);
  if constexpr (std::endian::native == std::endian::little) bytes = __builtin_bswap64(bytes);
  bits_ |= bytes >> count_;
  next_ += (63 - count_) >> 3;
  count_ |= 56;
}

inline std::uint32_t BlockReader::look(const HuffmanTable& table) const {
  return table.entries_[bits_ >> (64 - HuffmanTable::kLook)];
}

inline std::uint32_t BlockReader::look_further(const HuffmanTable& table) const {
  return table.long_entry(static_cast<std::uint32_t>(bits_ >> 48));
}

inline int BlockReader::take(std::uint32_t entry) {
  const std::uint64_t behind_code = bits_ << (entry >> 16 & 63);
  bits_ <<= entry & 63;
  count_ -= static_cast<int>(entry & 63);
  return value_in(behind_code, entry >> 24);
}

// Of a code of more than kLook bits; 0 if there is none.
std::uint32_t HuffmanTable::long_entry(std::uint32_t code) const {
  std::size_t length = kLook + 1;
  while (length <= 16 && code >= limit_[length]) ++length;
  if (length > 16) return 0;
  const auto at = offset_[length] + static_cast<std::int32_t>(code >> (16 - length));
  return entry_for(static_cast<int>(length), symbols_[static_cast<std::size_t>(at)]);
}

VITRAIL_BITS bool BlockReader::read(const HuffmanTable& dc, const HuffmanTable& ac, int& prediction,
                                    std::int16_t* block) {
  BlockReader at = *this;  // whose members are in registers, for nothing sees their address
  at.refill();
  std::uint32_t entry = at.look(dc);
  if (rise_of(entry) == kLong && (entry = at.look_further(dc)) == 0) return false;
  prediction += at.take(entry);
  if (prediction != static_cast<std::int16_t>(prediction)) return false;
  block[0] = static_cast<std::int16_t>(prediction);

  std::uint32_t k = 1;
  while (true) {
    at.refill();
    for (int i = 0; i < 2 && k < kCoefficients; ++i) {  // of at most 10 + 15 bits each
      entry = at.look(ac);
      k += rise_of(entry);
      block[kPlaces[k - 1]] = static_cast<std::int16_t>(at.take(entry));
    }
    if (k < kCoefficients) continue;
    if (k <= kLong) break;
    if ((entry = at.look_further(ac)) == 0) return false;
    k += rise_of(entry) - kLong;
    block[kPlaces[k - 1]] = static_cast<std::int16_t>(at.take(entry));
    if (k >= kCoefficients) break;
  }
  *this = at;
  return k == kCoefficients || k > kEndOfBlock;  // else there were more than a block has
}

}  // namespace vitrail::datasets
