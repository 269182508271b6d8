#include "datasets/subsets/coarse_classes.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

class CoarseClassesTest : public ::testing::Test {
 protected:
  ~CoarseClassesTest() override { fs::remove(file_); }

  // Four textures, by a file of that text.
  std::shared_ptr<const Dataset> opened(const std::string& text) const {
    std::ofstream(file_) << text;
    return open_dataset("synthetic:10,4,8", {.coarse = file_.string()});
  }
  std::string refusal(const std::string& text) const {
    try {
      opened(text);
      return "";
    } catch (const Error& e) {
      return fmt::format("{} {}", static_cast<int>(e.code()), e.what());
    }
  }

  const fs::path file_ = fs::path(testing::TempDir()) / fmt::format("vitrail_coarse_{}.csv", ::getpid());
};

constexpr const char* kTwo =
    "# what they look like\n"
    "texture 2, striped\n"
    "texture 0\tdotted\n"
    "\n"
    "texture 1,dotted\r\n"
    "texture 3,striped\n"
    "texture, with a comma,unseen\n";

TEST_F(CoarseClassesTest, LabelsAreThoseOfTheFile) {
  const auto data = opened(kTwo);
  EXPECT_EQ(data->classes(), 3);
  EXPECT_EQ(data->class_name(0), "striped");
  EXPECT_EQ(data->class_name(1), "dotted");
  EXPECT_EQ(data->class_name(2), "unseen");
  EXPECT_EQ(data->class_id(1), "dotted");
  ASSERT_EQ(data->size(), 10);
  const std::vector<std::int64_t> wanted = {1, 1, 0, 0};
  for (std::int64_t i = 0; i < data->size(); ++i) {
    EXPECT_EQ(data->label(i), wanted[static_cast<std::size_t>(i % 4)]) << i;
    EXPECT_EQ(data->read(i).image.rgb, open_dataset("synthetic:10,4,8")->read(i).image.rgb) << i;
  }
}

TEST_F(CoarseClassesTest, OtherGroupsAreOtherData) {
  const std::string one = opened(kTwo)->fingerprint();
  EXPECT_EQ(opened(kTwo)->fingerprint(), one);
  EXPECT_NE(opened("texture 0,a\ntexture 1,a\ntexture 2,a\ntexture 3,b\n")->fingerprint(), one);
  EXPECT_NE(open_dataset("synthetic:10,4,8")->fingerprint(), one);
}

TEST_F(CoarseClassesTest, WhatIsNoListIsRefusedByLine) {
  const std::string file = file_.string();
  using testing::StartsWith;
  EXPECT_THAT(refusal("texture 0,a\ntexture 1\n"),
              StartsWith("2 data.coarse: " + file + ":2: expected CLASS,COARSE"));
  EXPECT_THAT(refusal("texture 0,\n"), StartsWith("2 data.coarse: " + file + ":1: expected"));
  EXPECT_THAT(refusal("texture 0,a\ntexture 0,b\n"),
              StartsWith("2 data.coarse: " + file + ":2: a second line for texture 0"));
  EXPECT_THAT(
      refusal("texture 0,a\ntexture 1,b\ntexture 3,b\n"),
      StartsWith("78 data.coarse: " + file + " has no line for texture 2, a class of synthetic:10,4,8"));
  fs::remove(file_);
  EXPECT_THROW(open_dataset("synthetic:10,4,8", {.coarse = file}), Error);
}

}  // namespace
}  // namespace vitrail::datasets
