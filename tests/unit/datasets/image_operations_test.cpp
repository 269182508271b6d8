#include "datasets/pixels/image_operations.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/datasets/fixture_file.hpp"

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

}  // namespace
}  // namespace vitrail::datasets
