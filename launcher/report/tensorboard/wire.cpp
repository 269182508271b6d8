#include "launcher/report/tensorboard/wire.hpp"

#include <array>
#include <bit>

namespace vitrail::launcher {
namespace {

constexpr int kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

std::string little_endian(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::array<std::uint32_t, 256> crc_table() {
  constexpr std::uint32_t kCastagnoli = 0x82f63b78;  // its bits in reverse
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < table.size(); ++byte) {
    std::uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum & 1) != 0 ? sum >> 1 ^ kCastagnoli : sum >> 1;
    table.at(byte) = sum;
  }
  return table;
}

// A sum of bytes that hold sums themselves would be a weak one.
std::uint32_t masked(std::uint32_t sum) { return std::rotr(sum, 15) + 0xa282ead8; }

std::string with_sum(const std::string& bytes) { return bytes + little_endian(masked(crc32c(bytes)), 4); }

}  // namespace

void Message::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
  bytes_ += static_cast<char>(value);
}

void Message::begin(int field, int type) {
  varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(type));
}

Message& Message::add(int field, std::int64_t value) {
  begin(field, kVarint);
  varint(static_cast<std::uint64_t>(value));
  return *this;
}

Message& Message::add(int field, double value) {
  begin(field, kFixed64);
  bytes_ += little_endian(std::bit_cast<std::uint64_t>(value), 8);
  return *this;
}

Message& Message::add(int field, float value) {
  begin(field, kFixed32);
  bytes_ += little_endian(std::bit_cast<std::uint32_t>(value), 4);
  return *this;
}

Message& Message::add(int field, std::string_view text) {
  begin(field, kBytes);
  varint(text.size());
  bytes_ += text;
  return *this;
}

std::uint32_t crc32c(std::string_view bytes) {
  static const std::array<std::uint32_t, 256> table = crc_table();
  std::uint32_t sum = 0xffffffff;
  for (const char byte : bytes) sum = sum >> 8 ^ table.at((sum ^ static_cast<unsigned char>(byte)) & 0xff);
  return ~sum;
}

std::string record_of(const Message& message) {
  return with_sum(little_endian(message.bytes().size(), 8)) + with_sum(message.bytes());
}

}  // namespace vitrail::launcher
