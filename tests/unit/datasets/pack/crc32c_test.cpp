#include "datasets/pack/crc32c.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace vitrail::datasets {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
TEST(Crc32c, PublishedValues) {
  std::string ascending(32, '\0');
  for (std::size_t i = 0; i < 32; ++i) ascending[i] = static_cast<char>(i);
  for (const auto& f : {crc32c, crc32c_by_table}) {
    EXPECT_EQ(f(bytes_of(std::string(32, '\0')), 0), 0x8A9136AAU);
    EXPECT_EQ(f(bytes_of(std::string(32, '\xff')), 0), 0x62A8AB43U);
    EXPECT_EQ(f(bytes_of(ascending), 0), 0x46DD794EU);
    EXPECT_EQ(f(bytes_of("123456789"), 0), 0xE3069283U);
    EXPECT_EQ(f({}, 0), 0U);
  }
}

TEST(Crc32c, InstructionAndTableAgreeAndChain) {
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    text += static_cast<char>(i * i * 37 + i / 7);
    EXPECT_EQ(crc32c(bytes_of(text)), crc32c_by_table(bytes_of(text))) << i;
    EXPECT_EQ(crc32c(bytes_of(text).subspan(text.size() / 3), crc32c(bytes_of(text).first(text.size() / 3))),
              crc32c(bytes_of(text)));
  }
}

}  // namespace
}  // namespace vitrail::datasets
