// Huffman-coded 8x8 blocks of a sequential JPEG. Whatever is not as the standard wants it is told by `false`,
// without a reason: who meets that asks libjpeg. Source: ITU-T T.81, annexes C and F.2.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace vitrail::datasets {

// Coefficients of two blocks, row beside row, as inverse_dct.hpp takes them: [8][2][8] and a place for what
// belongs nowhere.
struct alignas(64) BlockPair {
  static constexpr std::size_t kValues = 128;
  std::array<std::int16_t, kValues + 32> values;

  std::int16_t* block(std::size_t i) { return values.data() + 8 * i; }
};

// What the next kLook bits say: mostly a whole code, and how many bits of a value follow.
class HuffmanTable {
 public:
  static constexpr int kLook = 10;

  // Numbers of codes by length, [17], the first unused, and symbols in the order of their codes. False for
  // tables that no encoder may write.
  bool assign(std::span<const std::uint8_t> counts, std::span<const std::uint8_t> symbols, bool of_dc);

 private:
  friend class BlockReader;

  std::uint32_t entry_for(int length, int symbol) const;
  std::uint32_t long_entry(std::uint32_t code) const;
  void enter(std::uint32_t code, int length, int symbol);

  std::array<std::uint32_t, 1U << kLook> entries_{};
  std::array<std::uint32_t, 17> limit_{};  // by length: the first code behind it, as 16 bits
  std::array<std::int32_t, 17> offset_{};  // by length: from a code to its place among the symbols
  std::array<std::uint8_t, 256> symbols_{};
  bool of_dc_ = false;
};

// Reads bits, highest first, from `data` on. kSpareBytes (scan_bytes.hpp) behind their end must be there: a
// block reads past it, and is_within() tells afterwards.
class BlockReader {
 public:
  explicit BlockReader(const std::uint8_t* data) : next_(data) {}

  // Into a block of zeros; `prediction` is the DC coefficient of the component's last one.
  bool read(const HuffmanTable& dc, const HuffmanTable& ac, int& prediction, std::int16_t* block);

  const std::uint8_t* position() const { return next_ - count_ / 8; }  // of the first byte not yet begun
  bool is_within(const std::uint8_t* end) const { return position() <= end; }

 private:
  void refill();
  std::uint32_t look(const HuffmanTable& table) const;
  std::uint32_t look_further(const HuffmanTable& table) const;
  int take(std::uint32_t entry);  // drops what it says, and returns its value

  const std::uint8_t* next_;
  std::uint64_t bits_ = 0;  // from the top
  int count_ = 0;           // of them that are known
};

}  // namespace vitrail::datasets
