#include "trainer/tasks/real_labels.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A data set that is nothing but names.
class Names final : public datasets::Dataset {
 public:
  explicit Names(std::vector<std::string> names) : names_(std::move(names)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(names_.size()); }
  std::int64_t classes() const override { return 10; }
  std::string class_name(std::int64_t) const override { return "any"; }
  std::int64_t label(std::int64_t) const override { return 0; }
  std::string name(std::int64_t index) const override { return names_[static_cast<std::size_t>(index)]; }
  datasets::Sample read(std::int64_t) const override { return {}; }
  std::optional<std::int64_t> tensor_image_size() const override { return 8; }
  std::string fingerprint() const override { return std::string(32, '0'); }
  std::string describe() const override { return "names"; }

 private:
  std::vector<std::string> names_;
};

// In any order, as packs have them.
const Names kImages({"ILSVRC2012_val_00000003.JPEG", "n01/ILSVRC2012_val_00000001.JPEG",
                     "ILSVRC2012_val_00000002.JPEG"});

RealLabels read(const std::string& text, const Names& images = kImages) {
  const std::string file = fmt::format("{}/vitrail_real_labels_{}.json", testing::TempDir(), ::getpid());
  std::ofstream(file) << text;
  return RealLabels(file, images, 10);
}

std::string labels_refusal(const std::string& text, const Names& images = kImages) {
  try {
    read(text, images);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    return e.what();
  }
  return "";
}

TEST(RealLabels, TheListIsInTheOrderOfTheImagesNumbers) {
  const RealLabels labels = read("[[7], [], [1, 9]]");
  EXPECT_THAT(labels.of(0), ElementsAre(1, 9));
  EXPECT_THAT(labels.of(1), ElementsAre(7));
  EXPECT_THAT(labels.of(2), IsEmpty());
}

TEST(RealLabels, OrNamesTheImages) {
  const RealLabels labels = read(R"({"a": [2], "b": [3, 4]})", Names({"b", "a"}));
  EXPECT_THAT(labels.of(0), ElementsAre(3, 4));
  EXPECT_THAT(labels.of(1), ElementsAre(2));
}

TEST(RealLabels, WhatIsNotOfTheseImagesIsBadData) {
  EXPECT_THAT(labels_refusal("[[7], []]"), HasSubstr("no labels for ILSVRC2012_val_00000003.JPEG of names"));
  EXPECT_THAT(labels_refusal("[[7], [], 1]"), HasSubstr("no labels for"));
  EXPECT_THAT(labels_refusal("[[7], [], [10]]"), HasSubstr("has the label 10, the model 10 classes"));
  EXPECT_THAT(labels_refusal("[[-1], [], []]"), HasSubstr("has the label -1"));
  EXPECT_THAT(labels_refusal("[[0.5], [], []]"), HasSubstr("has the label 0.5"));
  EXPECT_THAT(labels_refusal("[[7]]", Names({"cat.png"})), HasSubstr("no labels for cat.png"));
  EXPECT_THAT(labels_refusal("[[7]]", Names({"image_99999999999999999999.png"})), HasSubstr("no labels for"));
  EXPECT_THAT(labels_refusal("7"), HasSubstr("no JSON list"));
  EXPECT_THAT(labels_refusal("[[7"), HasSubstr("no JSON list"));
}

TEST(RealLabels, AFileThatIsNotThere) {
  try {
    RealLabels("nowhere/real.json", kImages, 10);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_THAT(e.what(), HasSubstr("evaluate.real_labels: cannot open: nowhere/real.json"));
  }
}

}  // namespace
}  // namespace vitrail::trainer
