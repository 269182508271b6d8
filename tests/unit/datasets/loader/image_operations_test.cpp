#include "datasets/pixels/image_operations.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "datasets/pixels/byte_table.hpp"
#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

// Case `number` of a fixture.
void expect_their_bytes(const FixtureFile& fixture, std::size_t number, const std::string& source,
                        const Operation& operation) {
  Image image = fixture.image(source), spare;
  apply(operation, image, spare);
  const Image expected = fixture.image(fmt::format("result.{}", number));
  EXPECT_EQ(image.width, expected.width);
  EXPECT_EQ(image.height, expected.height);
  EXPECT_EQ(image.rgb, expected.rgb) << name_of(operation.kind) << " " << operation.argument << " of "
                                     << source;
}

std::string source_of(double number) { return fmt::format("source.{}", static_cast<int>(number)); }

OperationKind kind_of(double number) { return static_cast<OperationKind>(static_cast<int>(number)); }

// Fixture rows: kind in OperationKind's order, source, argument.
TEST(ImageOperationsTest, EveryByteIsPillows) {
  const FixtureFile fixture("operations");
  const auto cases = fixture.table("cases");
  ASSERT_GE(cases.size(), 200U);
  for (std::size_t i = 0; i < cases.size(); ++i)
    expect_their_bytes(fixture, i, source_of(cases[i][1]), {kind_of(cases[i][0]), cases[i][2]});
}

// tests/peers/unlabelled/make_view_fixtures.py
TEST(ImageOperationsTest, HuesAreTurnedAsPillowsBytes) {
  const FixtureFile fixture("hue");
  const auto cases = fixture.table("cases");
  ASSERT_EQ(cases.size(), 20U);
  for (std::size_t i = 0; i < cases.size(); ++i)
    expect_their_bytes(fixture, i, source_of(cases[i][0]), {OperationKind::hue, cases[i][1]});
}

// TrivialAugment's wide ranges, of which torchvision has its own way to some: bicubic, and filled with the
// mean. Fixture rows: kind, argument.
TEST(ImageOperationsTest, EveryByteOfWideRangesIsTorchvisions) {
  const FixtureFile fixture("policies");
  const auto cases = fixture.table("cases");
  ASSERT_GE(cases.size(), 60U);
  for (std::size_t i = 0; i < cases.size(); ++i)
    expect_their_bytes(fixture, i, "source", {kind_of(cases[i][0]), cases[i][1]});
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
