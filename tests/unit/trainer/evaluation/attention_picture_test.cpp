#include "trainer/evaluation/attention_picture.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

using datasets::Image;

Image plain(int side, std::uint8_t value) {
  return {side, side, std::vector<std::uint8_t>(static_cast<std::size_t>(side * side * 3), value)};
}

std::vector<int> pixel(const Image& image, int x, int y) {
  const std::uint8_t* const rgb = image.row(y) + 3 * x;
  return {rgb[0], rgb[1], rgb[2]};
}

// As the paper has it, by the weights of television: what is printed in grey is the value itself, but where a
// colour is cut at the edge of the cube.
TEST(AttentionPicture, ColoursAreAsBrightAsTheirValue) {
  double last = -1, most_colour = 0;
  for (int i = 0; i <= 100; ++i) {
    const double value = i / 100.0;
    const auto [red, green, blue] = colour_of(value);
    const double bright = 0.30 * red + 0.59 * green + 0.11 * blue;
    EXPECT_NEAR(bright, value, 0.025) << value;
    EXPECT_GT(bright, last) << value;
    last = bright;
    most_colour = std::max(most_colour, std::max({red, green, blue}) - std::min({red, green, blue}));
  }
  EXPECT_GT(most_colour, 0.3) << "these are greys";
  EXPECT_EQ(colour_of(0), (std::array<double, 3>{0, 0, 0}));
  EXPECT_EQ(colour_of(1), (std::array<double, 3>{1, 1, 1}));
}

TEST(AttentionPicture, EachWeightIsASquareAndTheRestStays) {
  const AttentionMap map{"mean", 2, 3, {0.1F, 0.3F, 0.2F, 0.25F}};
  const Image picture = painted(plain(7, 90), map, 1);
  EXPECT_EQ(pixel(picture, 0, 0), (std::vector{0, 0, 0}));        // the least
  EXPECT_EQ(pixel(picture, 3, 2), (std::vector{255, 255, 255}));  // the largest
  EXPECT_EQ(pixel(picture, 3, 0), pixel(picture, 5, 2));
  EXPECT_NE(pixel(picture, 2, 3), pixel(picture, 3, 3));
  EXPECT_EQ(pixel(picture, 6, 0), (std::vector{90, 90, 90}));  // no whole cell is left there
  EXPECT_EQ(pixel(picture, 0, 6), (std::vector{90, 90, 90}));
}

TEST(AttentionPicture, OpacityMixesWithTheImageInGrey) {
  Image image = plain(1, 0);
  image.rgb = {200, 100, 50};
  const AttentionMap flat{"head 1", 1, 1, {0.7F}};
  EXPECT_EQ(pixel(painted(image, flat, 1), 0, 0), (std::vector{0, 0, 0})) << "equal weights are black";
  const int grey = 124;  // 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
  EXPECT_EQ(pixel(painted(image, flat, 0), 0, 0), (std::vector{grey, grey, grey}));
  EXPECT_EQ(pixel(painted(image, flat, 0.5), 0, 0), (std::vector{62, 62, 62}));
}

TEST(AttentionPicture, RowsStandOnWhite) {
  const Image sheet = in_rows({{plain(5, 1), plain(5, 2)}, {plain(5, 3)}});
  EXPECT_EQ(sheet.width, 14);
  EXPECT_EQ(sheet.height, 14);
  EXPECT_EQ(pixel(sheet, 4, 4), (std::vector{1, 1, 1}));
  EXPECT_EQ(pixel(sheet, 9, 0), (std::vector{2, 2, 2}));
  EXPECT_EQ(pixel(sheet, 0, 9), (std::vector{3, 3, 3}));
  EXPECT_EQ(pixel(sheet, 6, 0), (std::vector{255, 255, 255}));
  EXPECT_EQ(pixel(sheet, 13, 13), (std::vector{255, 255, 255}));
  EXPECT_EQ(in_rows({}).width, 0);
}

TEST(AttentionPicture, TooLargeASheetIsRefused) {
  const std::vector<std::vector<Image>> rows(4096, {Image{224, 224, {}}, {}, {}, {}, {}, {}});
  try {
    in_rows(rows);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_EQ(e.hint(), "lower --samples or model.image_size");
  }
}

}  // namespace
}  // namespace vitrail::trainer
