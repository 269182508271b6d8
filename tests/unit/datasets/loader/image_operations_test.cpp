#include "datasets/pixels/image_operations.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "datasets/pixels/byte_table.hpp"
#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

// Fixture rows: kind in OperationKind's order, source, argument.
TEST(ImageOperationsTest, EveryByteIsPillows) {
  const FixtureFile fixture("operations");
  const auto cases = fixture.table("cases");
  ASSERT_GE(cases.size(), 200U);
  Image spare;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Operation operation{static_cast<OperationKind>(static_cast<int>(cases[i][0])), cases[i][2]};
    Image image = fixture.image(fmt::format("source.{}", static_cast<int>(cases[i][1])));
    apply(operation, image, spare);
    const Image expected = fixture.image(fmt::format("result.{}", i));
    EXPECT_EQ(image.width, expected.width);
    EXPECT_EQ(image.height, expected.height);
    EXPECT_EQ(image.rgb, expected.rgb)
        << name_of(operation.kind) << " " << operation.argument << " of source " << cases[i][1];
  }
}

// tests/peers/unlabelled/make_view_fixtures.py
TEST(ImageOperationsTest, HuesAreTurnedAsPillowsBytes) {
  const FixtureFile fixture("hue");
  const auto cases = fixture.table("cases");
  ASSERT_EQ(cases.size(), 20U);
  Image spare;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    Image image = fixture.image(fmt::format("source.{}", static_cast<int>(cases[i][0])));
    apply({OperationKind::hue, cases[i][1]}, image, spare);
    EXPECT_EQ(image.rgb, fixture.image(fmt::format("result.{}", i)).rgb) << "a turn of " << cases[i][1];
  }
}

// TrivialAugment's wide ranges, of which torchvision has its own way to some: bicubic, and filled with the
// mean. Fixture rows: kind, argument.
TEST(ImageOperationsTest, EveryByteOfWideRangesIsTorchvisions) {
  const FixtureFile fixture("policies");
  const auto cases = fixture.table("cases");
  ASSERT_GE(cases.size(), 60U);
  Image spare;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Operation operation{static_cast<OperationKind>(static_cast<int>(cases[i][0])), cases[i][1]};
    Image image = fixture.image("source");
    apply(operation, image, spare);
    EXPECT_EQ(image.rgb, fixture.image(fmt::format("result.{}", i)).rgb)
        << name_of(operation.kind) << " " << operation.argument;
  }
}

TEST(ByteTableTest, AllWaysToLookUpGiveTheSame) {
  Philox random(1, Purpose::test, 0, 0);
  ByteTable table;
  for (std::uint8_t& value : table) value = static_cast<std::uint8_t>(random.below(256));
  for (std::size_t size = 0; size < 700; size += 1 + size / 16) {
    std::vector<std::uint8_t> fast(size);
    for (std::uint8_t& value : fast) value = static_cast<std::uint8_t>(random.below(256));
    std::vector<std::uint8_t> plain = fast, expected = fast;
    std::ranges::transform(fast, expected.begin(), [&](std::uint8_t value) { return table[value]; });
    look_up(table, fast);
    look_up_one_by_one(table, plain);
    EXPECT_EQ(fast, expected) << size;
    EXPECT_EQ(plain, expected) << size;
  }
}

}  // namespace
}  // namespace vitrail::datasets
