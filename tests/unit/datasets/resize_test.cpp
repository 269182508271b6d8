#include "datasets/resize.hpp"

#include <gtest/gtest.h>

#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

struct Case {
  int source;
  Box box;
  int width, height;
};

std::vector<Case> cases(const FixtureFile& fixture) {
  std::vector<Case> out;
  for (const auto& row : fixture.table("cases")) {
    const auto at = [&](std::size_t i) { return static_cast<int>(row.at(i)); };
    out.push_back({at(0), {at(1), at(2), at(3), at(4)}, at(5), at(6)});
  }
  return out;
}

TEST(ResizeTest, EveryPixelIsPillows) {
  const FixtureFile fixture("resize");
  const auto all = cases(fixture);
  ASSERT_EQ(all.size(), 16U);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Image source = fixture.image(fmt::format("source.{}", all[i].source));
    const Image expected = fixture.image(fmt::format("result.{}", i));
    const Image result = resize(source, all[i].box, all[i].width, all[i].height);
    ASSERT_EQ(result.width, expected.width);
    ASSERT_EQ(result.height, expected.height);
    EXPECT_EQ(result.rgb, expected.rgb) << "case " << i;
  }
}

TEST(ResizeTest, AWindowIsThatPartOfTheWhole) {
  const FixtureFile fixture("resize");
  const Image source = fixture.image("source.0");
  const Box box{3, 2, 50, 40};
  const Image full = resize(source, box, 31, 70);
  for (const Box& window : {Box{0, 0, 31, 70}, Box{5, 9, 17, 3}, Box{30, 69, 1, 1}}) {
    const Image part = resize(source, box, 31, 70, window);
    ASSERT_EQ(part.width, window.width);
    ASSERT_EQ(part.height, window.height);
    for (int y = 0; y < window.height; ++y) {
      for (int x = 0; x < window.width * 3; ++x) {
        ASSERT_EQ(part.row(y)[x], full.row(window.y + y)[window.x * 3 + x]);
      }
    }
  }
}

TEST(ResizeTest, BoxesOutsideTheImageAreRefused) {
  const Image image{4, 3, std::vector<std::uint8_t>(36)};
  for (const Box& box : {Box{0, 0, 5, 3}, Box{-1, 0, 2, 2}, Box{2, 2, 2, 2}, Box{0, 0, 0, 3}}) {
    EXPECT_THROW(resize(image, box, 2, 2), Error);
    EXPECT_THROW(resize(image, {0, 0, 4, 3}, 4, 3, box), Error);
  }
}

}  // namespace
}  // namespace vitrail::datasets
