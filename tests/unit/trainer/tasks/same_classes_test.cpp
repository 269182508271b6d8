#include "trainer/tasks/same_classes.hpp"

#include <gmock/gmock.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<std::string>;

// A data set that is nothing but classes.
class Classes final : public datasets::Dataset {
 public:
  explicit Classes(Ids ids, Ids names = {}) : ids_(std::move(ids)), names_(std::move(names)) {}
  std::int64_t size() const override { return 1; }
  std::int64_t classes() const override { return static_cast<std::int64_t>(ids_.size()); }
  std::string class_name(std::int64_t label) const override {
    return (names_.empty() ? ids_ : names_).at(static_cast<std::size_t>(label));
  }
  std::string class_id(std::int64_t label) const override { return ids_.at(static_cast<std::size_t>(label)); }
  std::int64_t label(std::int64_t) const override { return 0; }
  datasets::Sample read(std::int64_t) const override { return {}; }
  std::optional<std::int64_t> tensor_image_size() const override { return 8; }
  std::string fingerprint() const override { return std::string(32, '0'); }
  std::string describe() const override { return "packs/mine"; }

 private:
  Ids ids_, names_;
};

std::string classes_refusal(const Ids& known, const Classes& data) {
  try {
    check_same_classes(known, "runs/first", data);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::refused);
    return e.what();
  }
  return "";
}

TEST(SameClasses, TheFirstThatDiffersIsNamed) {
  EXPECT_THAT(classes_refusal({"ant", "bee", "cat"}, Classes({"ant", "cat", "dog"})),
              HasSubstr("packs/mine: class 1 is cat, that of runs/first is bee"));
  EXPECT_NE(classes_refusal({"0", "1"}, Classes({"1", "2"})), "");
}

TEST(SameClasses, AsManyAsBothHaveAreCompared) {
  const Classes data({"ant", "bee"});
  EXPECT_EQ(classes_refusal(class_ids(data), data), "");
  EXPECT_EQ(classes_refusal({"ant", "bee", "cat"}, data), "");
  EXPECT_EQ(classes_refusal({"ant"}, data), "");
  EXPECT_EQ(classes_refusal({}, data), "");
}

TEST(SameClasses, ANumberStandsForItsOwnIndexAlone) {
  EXPECT_THAT(classes_refusal({"tench", "goldfish", "shark"}, Classes({"0", "1", "3"})),
              HasSubstr("class 2 is 3, that of runs/first is shark"));
  EXPECT_NE(classes_refusal({"1", "2"}, Classes({"tench", "goldfish"})), "");
  EXPECT_EQ(classes_refusal({"tench", "goldfish"}, Classes({"000", "001"})), "");
}

TEST(SameClasses, NumbersStandForNamesAndNamesForWnids) {
  EXPECT_EQ(classes_refusal({"n01440764", "n01443537"}, Classes({"0", "1"})), "");
  EXPECT_EQ(classes_refusal({"0", "1"}, Classes({"n01440764", "n01443537"})), "");
  EXPECT_EQ(
      classes_refusal({"tench", "goldfish"}, Classes({"n01440764", "n01443537"}, {"tench", "goldfish"})), "");
}

}  // namespace
}  // namespace vitrail::trainer
