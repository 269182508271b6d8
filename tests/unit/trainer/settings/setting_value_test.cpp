#include "trainer/settings/setting_value.hpp"

#include <bit>
#include <cmath>

#include <gtest/gtest.h>

#include "trainer/base/philox.hpp"
#include "trainer/settings/bounds.hpp"

namespace vitrail::trainer {
namespace {

template <class T>
bool takes(const std::string& text) {
  T value{};
  return read(text, value);
}

TEST(SettingValue, TakesTheWholeTextOrNothing) {
  EXPECT_TRUE(takes<std::int64_t>("-12"));
  EXPECT_TRUE(takes<double>("1e-3"));
  EXPECT_TRUE(takes<bool>("false"));
  EXPECT_TRUE(takes<Duration>("10min"));
  EXPECT_TRUE(takes<std::string>(""));
  for (const char* text : {"", " 1", "1 ", "1.5", "0x10", "1e3", "one", "+1", "9223372036854775808"}) {
    EXPECT_FALSE(takes<std::int64_t>(text)) << text;
    EXPECT_FALSE(takes<std::optional<std::int64_t>>(text)) << text;
  }
  for (const char* text : {"", "inf", "nan", "1,5", "1e999", "0.1f"})
    EXPECT_FALSE(takes<double>(text)) << text;
  for (const char* text : {"", "1", "True", "on"}) EXPECT_FALSE(takes<bool>(text)) << text;
  for (const char* text : {"", "5", "ep", "5 ep", "-5ep", "5epochs", "9999999999s", "2562047788015215h"})
    EXPECT_FALSE(takes<Duration>(text)) << text;
  for (const char* text : {" a", "a\t", "a#b", "a\nb", "a\rb"})
    EXPECT_FALSE(takes<std::string>(text)) << text;
  EXPECT_FALSE(takes<std::uint64_t>("-1"));
}

TEST(SettingValue, NumbersReadBackToTheSameBits) {
  Philox random(1, Purpose::test, 0, 0);
  for (int i = 0; i < 10000; ++i) {
    const auto value = std::bit_cast<double>(random.next_u64());
    if (!std::isfinite(value)) continue;
    double again = 0;
    ASSERT_TRUE(read(*show(value), again)) << value;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(again), std::bit_cast<std::uint64_t>(value)) << value;
  }
}

TEST(Bounds, ContainAndSpeak) {
  EXPECT_TRUE(from_to(1, 4).contain(1) && from_to(1, 4).contain(4));
  EXPECT_FALSE(from_to(1, 4).contain(0.999) || from_to(1, 4).contain(4.001));
  EXPECT_TRUE(from_below(0, 1).contain(0));
  EXPECT_FALSE(from_below(0, 1).contain(1));
  EXPECT_TRUE(above_to(0, 1).contain(1));
  EXPECT_FALSE(above_to(0, 1).contain(0));
  EXPECT_FALSE(above(0).contain(0));
  EXPECT_TRUE(at_least(0).contain(0));
  EXPECT_FALSE(at_least(0).contain(-1e-300));
  EXPECT_TRUE(Bounds().contain(-1e300));
  EXPECT_EQ(from_to(1, 65536).text(), "1 to 65536");
  EXPECT_EQ(from_below(0, 1).text(), ">= 0, < 1");
  EXPECT_EQ(above_to(0, 1).text(), "> 0, <= 1");
  EXPECT_EQ(at_least(0).text(), ">= 0");
  EXPECT_EQ(above(0).text(), "> 0");
  EXPECT_EQ(Bounds().text(), "");
}

}  // namespace
}  // namespace vitrail::trainer
