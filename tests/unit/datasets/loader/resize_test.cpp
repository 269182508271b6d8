#include "datasets/pixels/resize.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/datasets/fixture_file.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

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
    const Image part = resize(source, {box, 31, 70, window, false});
    const Image mirrored = resize(source, {box, 31, 70, window, true});
    ASSERT_EQ(part.width, window.width);
    ASSERT_EQ(part.height, window.height);
    for (int y = 0; y < window.height; ++y) {
      for (int x = 0; x < window.width; ++x) {
        for (int c = 0; c < 3; ++c) {
          const std::uint8_t expected = full.row(window.y + y)[(window.x + x) * 3 + c];
          ASSERT_EQ(part.row(y)[x * 3 + c], expected);
          ASSERT_EQ(mirrored.row(y)[(window.width - 1 - x) * 3 + c], expected);
        }
      }
    }
  }
}

// torchvision's resize, pad by four reflected pixels, crop at row and column of the padded image.
TEST(ResizeTest, AWindowPastTheEdgesSeesReflections) {
  const FixtureFile fixture("operations");
  const auto crops = fixture.table("crops");
  ASSERT_EQ(crops.size(), 5U);
  for (std::size_t i = 0; i < crops.size(); ++i) {
    const auto at = [&](std::size_t k) { return static_cast<int>(crops[i].at(k)); };
    const Image source = fixture.image(fmt::format("source.{}", at(0)));
    const int shorter = std::min(source.width, source.height);
    const View view{{0, 0, source.width, source.height},
                    at(1) * source.width / shorter,
                    at(1) * source.height / shorter,
                    {at(3) - 4, at(2) - 4, at(1), at(1)},
                    false};
    EXPECT_EQ(resize(source, view).rgb, fixture.image(fmt::format("crop.{}", i)).rgb) << i;
  }
}

// Sizes around the numbers of pixels that the fast kernels take at once.
TEST(ResizeTest, EveryProcessorGivesTheSameBytes) {
  Philox random(1, Purpose::test, 0, 0);
  ResizeScratch scratch;
  for (int i = 0; i < 300; ++i) {
    const auto draw = [&](int most) {
      return 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(most)));
    };
    Image image{draw(90), draw(90), {}};
    image.rgb.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
    for (std::uint8_t& v : image.rgb) v = static_cast<std::uint8_t>(random.below(2) * 255 ^ random.below(8));
    const View view{{0, 0, image.width, image.height}, draw(70), draw(70), {}, i % 2 == 0};
    View whole = view;
    whole.window = {0, 0, view.width, view.height};
    const Resize resize(whole);
    Image plain, fast;
    resize.apply(PixelView(image), scratch, plain, plain_resize_kernels());
    for (const ResizeKernels* kernels : all_resize_kernels()) {
      resize.apply(PixelView(image), scratch, fast, *kernels);
      ASSERT_EQ(fast.rgb, plain.rgb) << kernels->name << " " << image.width << "x" << image.height << " to "
                                     << view.width << "x" << view.height;
    }
  }
}

TEST(ResizeTest, BoxesOutsideTheImageAreRefused) {
  const Image image{4, 3, std::vector<std::uint8_t>(36)};
  for (const Box& box : {Box{0, 0, 5, 3}, Box{-1, 0, 2, 2}, Box{2, 2, 2, 2}, Box{0, 0, 0, 3}}) {
    EXPECT_THROW(resize(image, box, 2, 2), Error);
    if (box.width == 0) continue;
    EXPECT_THROW(resize(image, {{0, 0, 4, 3}, 4, 3, {9, 0, box.width, box.height}, false}), Error);
  }
}

}  // namespace
}  // namespace vitrail::datasets
