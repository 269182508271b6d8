#include "trainer/base/normalisation.hpp"

#include <gtest/gtest.h>

namespace vitrail {
namespace {

TEST(Normalisation, TextReadsBackToTheSameBits) {
  for (const ChannelValues& values :
       {kImageNet.mean, kImageNet.deviation, ChannelValues{1.0 / 3, 0, 1}, ChannelValues{1e-300, 0.1, 0.3}})
    EXPECT_EQ(parse_channel_values(format(values)), values);
  EXPECT_EQ(format(kImageNet.mean), "0.485,0.456,0.406");
}

// As Python prints tuples, lists and JSON.
TEST(Normalisation, BracketsAndBlanksArePassedOver) {
  for (const char* text :
       {"0.5,0.5,0.5", "(0.5, 0.5, 0.5)", "[0.5, 0.5,0.5]", "[0.5,0.5,0.5]", " 0.5 ,0.5,.5"})
    EXPECT_EQ(parse_channel_values(text), kHalves.mean) << text;
}

TEST(Normalisation, AnythingElseIsNone) {
  for (const char* text : {"", "0.5", "0.5,0.5", "0.5,0.5,0.5,0.5", "0.5,0.5,", "a,b,c", "(0.5,0.5,0.5",
                           "0.5 0.5 0.5", "nan,0,0", "inf,0,0", "1e999,0,0", "0.5,0.5,0.5x"})
    EXPECT_EQ(parse_channel_values(text), std::nullopt) << text;
}

TEST(Normalisation, Bounds) {
  EXPECT_TRUE(is_mean({0, 0.5, 1}));
  EXPECT_FALSE(is_mean({0, 0.5, 123.675}));
  EXPECT_FALSE(is_mean({-0.1, 0.5, 1}));
  EXPECT_TRUE(is_deviation({0.1, 0.5, 1}));
  EXPECT_FALSE(is_deviation({0, 0.5, 1}));
  EXPECT_FALSE(is_deviation({0.2, 0.5, 58.395}));
}

}  // namespace
}  // namespace vitrail
