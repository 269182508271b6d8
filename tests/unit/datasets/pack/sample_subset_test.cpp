// Parts of a data set for learning from few labels, and labels from a file: how many of what, whose, and
// always the same; what cannot be a part, or no label, is named.
#include "datasets/subsets/sample_subset.hpp"

#include <set>

#include <gmock/gmock.h>

#include "datasets/subsets/relabelled.hpp"
#include "tests/unit/datasets/pack_fixture.hpp"
#include "trainer/base/text/table.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

// Sample i of `labels` is called CLASS/i.jpg; the sample itself is its number.
class NumberedDataset : public Dataset {
 public:
  explicit NumberedDataset(std::vector<std::int64_t> labels) : labels_(std::move(labels)) {}
  std::int64_t size() const override { return std::ssize(labels_); }
  std::int64_t classes() const override { return 4; }
  std::string class_name(std::int64_t label) const override { return fmt::format("c{}", label); }
  std::int64_t label(std::int64_t i) const override { return labels_[static_cast<std::size_t>(i)]; }
  std::string name(std::int64_t i) const override { return fmt::format("c{}/{}.jpg", label(i), i); }
  Sample read(std::int64_t i) const override {
    return {.encoded = {}, .image = {static_cast<int>(i), 1, {}}, .tensor = {}};
  }
  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string fingerprint() const override { return std::string(32, '0'); }
  std::string describe() const override { return "numbered"; }

 private:
  const std::vector<std::int64_t> labels_;
};

// Two of one name: one in no folder, one in a folder.
class TwiceNamed final : public NumberedDataset {
 public:
  explicit TwiceNamed(bool folder_first) : NumberedDataset({0, 0}), folder_first_(folder_first) {}
  std::string name(std::int64_t i) const override { return (i == 0) == folder_first_ ? "x/a.jpg" : "a.jpg"; }

 private:
  const bool folder_first_;
};

class SampleSubsetTest : public PackTest {
 protected:
  // 1000 images: 100 of class 0, 200 of class 1, 300 of class 2, 400 of class 3, mixed.
  SampleSubsetTest() {
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < 1000; ++i)
      labels.push_back(i % 10 < 1 ? 0 : i % 10 < 3 ? 1 : i % 10 < 6 ? 2 : 3);
    all_ = std::make_shared<const NumberedDataset>(labels);
  }

  std::shared_ptr<const Dataset> kept(const std::string& part, bool balanced = false,
                                      std::int64_t seed = 0) const {
    return keep_subset(all_, {part, balanced, seed});
  }

  static std::set<int> samples(const Dataset& dataset) {
    std::set<int> numbers;
    int last = -1;
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      const int number = dataset.read(i).image.width;
      EXPECT_GT(number, last);  // in the data set's order
      last = number;
      numbers.insert(number);
      EXPECT_EQ(dataset.name(i), fmt::format("c{}/{}.jpg", dataset.label(i), number));
    }
    return numbers;
  }

  static std::vector<int> of_classes(const Dataset& dataset) {
    std::vector<int> counts(4);
    for (std::int64_t i = 0; i < dataset.size(); ++i) ++counts[static_cast<std::size_t>(dataset.label(i))];
    return counts;
  }

  std::shared_ptr<const Dataset> all_;
};

TEST_F(SampleSubsetTest, AShareIsOfAllImagesOrOfEachClassAlike) {
  EXPECT_EQ(kept("1%")->size(), 10);
  EXPECT_EQ(kept("10%")->size(), 100);
  EXPECT_EQ(kept("0.25%")->size(), 3);  // 2.5, rounded
  EXPECT_EQ(kept("100%")->size(), 1000);
  EXPECT_EQ(of_classes(*kept("4%", true)), (std::vector<int>{10, 10, 10, 10}));
  EXPECT_EQ(of_classes(*kept("60%", true)),
            (std::vector<int>{100, 150, 150, 150}));  // as far as they have it
  EXPECT_EQ(of_classes(*kept("0.01%", true)), (std::vector<int>{1, 1, 1, 1}));
  EXPECT_EQ(of_classes(*kept("25/class")), (std::vector<int>{25, 25, 25, 25}));
  EXPECT_EQ(of_classes(*kept("250/class")), (std::vector<int>{100, 200, 250, 250}));
}

TEST_F(SampleSubsetTest, TheSeedDecidesAndSmallerPartsLieInside) {
  for (const bool balanced : {false, true}) {
    const auto one = samples(*kept("1%", balanced, 5)), ten = samples(*kept("10%", balanced, 5));
    EXPECT_TRUE(std::ranges::includes(ten, one));
    EXPECT_EQ(samples(*kept("10%", balanced, 5)), ten);
    EXPECT_EQ(kept("10%", balanced, 5)->fingerprint(), kept("10%", balanced, 5)->fingerprint());
    EXPECT_NE(samples(*kept("10%", balanced, 6)), ten);
    EXPECT_NE(kept("10%", balanced, 6)->fingerprint(), kept("10%", balanced, 5)->fingerprint());
  }
  EXPECT_TRUE(std::ranges::includes(samples(*kept("25/class")), samples(*kept("4/class"))));
  // Over many seeds each image comes as often as another: 200 x 10 % of 1000, 20 each, +- 5 standard errors
  // of the count.
  std::vector<int> times(1000);
  for (std::int64_t seed = 0; seed < 200; ++seed) {
    for (const int sample : samples(*kept("10%", false, seed))) ++times[static_cast<std::size_t>(sample)];
  }
  EXPECT_LT(*std::ranges::max_element(times), 20 + 5 * 4.3);
  EXPECT_GE(*std::ranges::min_element(times), 1);
}

TEST_F(SampleSubsetTest, AListNamesImages) {
  put("list", "c3/7.jpg\n0.jpg\r\n\nc2/13.jpg\n");
  const auto listed = kept("list:" + (dir_ / "list").string());
  EXPECT_EQ(samples(*listed), (std::set<int>{0, 7, 13}));
  put("list",
      "\xef\xbb\xbf"
      "c3/7.jpg\n");  // as Windows' Notepad saves it
  EXPECT_EQ(samples(*kept("list:" + (dir_ / "list").string())), (std::set<int>{7}));
  put("list", "c3/7.jpg\nc3/8.png\n");
  const Error missing = error_of([&] { kept("list:" + (dir_ / "list").string()); });
  EXPECT_EQ(missing.code(), ExitCode::refused);
  EXPECT_THAT(missing.what(), HasSubstr("list: line 2: numbered has no image c3/8.png"));
  put("list", "\n");
  EXPECT_EQ(error_of([&] { kept("list:" + (dir_ / "list").string()); }).code(), ExitCode::refused);
  const Error gone = error_of([&] { kept("list:" + (dir_ / "none").string()); });
  EXPECT_EQ(gone.code(), ExitCode::io);
  EXPECT_THAT(gone.what(), HasSubstr("data.subset = list:" + (dir_ / "none").string() + ": "));
}

TEST_F(SampleSubsetTest, AWholeNameIsBeforeTheLastPartOfAnother) {
  put("list", "a.jpg\n");
  for (const bool folder_first : {false, true}) {
    const auto listed = keep_subset(std::make_shared<const TwiceNamed>(folder_first),
                                    {"list:" + (dir_ / "list").string(), false, 0});
    ASSERT_EQ(listed->size(), 1);
    EXPECT_EQ(listed->name(0), "a.jpg");
  }
}

// Names of images have tabs, commas and quotes in them as they like; a table says which line is whose.
TEST_F(SampleSubsetTest, OddNamesComeBackFromATable) {
  class OddNames final : public NumberedDataset {
   public:
    OddNames() : NumberedDataset({0, 0, 0}) {}
    std::string name(std::int64_t i) const override {
      return std::vector<std::string>{"a\tb, \"c\".jpg", "d\te.jpg", "5\" f.jpg"}.at(
          static_cast<std::size_t>(i));
    }
  };
  const auto odd = std::make_shared<const OddNames>();
  std::string table = csv_line({"image", "label"});
  for (std::int64_t i = 0; i < 3; ++i) table += csv_line({odd->name(i), std::to_string(3 - i)});
  put("labels.csv", table);
  const auto labelled = relabel(odd, (dir_ / "labels.csv").string());
  ASSERT_EQ(labelled->size(), 3);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(labelled->label(i), 3 - i);
}

TEST_F(SampleSubsetTest, WhatIsNoPart) {
  for (const char* text : {"1%", "0.1%", "100%", "3/class", "list:x"}) EXPECT_TRUE(is_subset(text)) << text;
  for (const char* text :
       {"", "1", "0%", "-1%", "101%", "1 %", "nan%", "/class", "0/class", "1.5/class", "list:", "x%"}) {
    EXPECT_FALSE(is_subset(text)) << text;
    EXPECT_EQ(error_of([&] { kept(text); }).code(), ExitCode::usage) << text;
  }
}

TEST_F(SampleSubsetTest, LabelsComeFromAFile) {
  const std::string file = (dir_ / "labels.csv").string();
  put("labels.csv", "image,label,class,confidence\nc3/7.jpg,1,\"one, or so\",0.97\nc0/0.jpg,3,c3,0.5\n");
  const auto labelled = relabel(all_, file);
  ASSERT_EQ(labelled->size(), 2);
  EXPECT_EQ(labelled->name(0), "c0/0.jpg");
  EXPECT_EQ(labelled->label(0), 3);
  EXPECT_EQ(labelled->read(1).image.width, 7);
  EXPECT_EQ(labelled->label(1), 1);
  EXPECT_EQ(labelled->classes(), 4);
  EXPECT_EQ(labelled->class_name(3), "c3");
  const std::string before = labelled->fingerprint();
  put("labels.csv", "image,label,class,confidence\nc3/7.jpg,2,c2,0.97\nc0/0.jpg,3,c3,0.5\n");
  EXPECT_NE(relabel(all_, file)->fingerprint(), before);
  const auto expect = [&](const std::string& text, const std::string& what) {
    put("labels.csv", text);
    const Error e = error_of([&] { relabel(all_, file); });
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    EXPECT_THAT(e.what(), HasSubstr("data.labels: " + file + ": "));
    EXPECT_THAT(e.what(), HasSubstr(what));
  };
  expect("image,label\nc3/7.jpg,4\n", "line 2: the label 4 is no index of the 4 classes");
  expect("image,label\nc3/7.jpg,-1\n", "line 2: the label -1 is no index");
  expect("image,label\nc3/7.jpg,cat\n", "line 2: the label cat is no index");
  expect("image,label\n7.jpg,1\n", "line 2: numbered has no image 7.jpg");
  expect("image,label\nc3/7.jpg,1\nc3/7.jpg,1\n", "line 3: a second label for c3/7.jpg");
  expect("image,label\n", "no image is listed");
}

TEST_F(SampleSubsetTest, SettingsAreAppliedOneAfterAnother) {
  const std::string source = make_folder("photos", 3, 8);
  pack(options(source, "pack"));
  const auto whole = open_dataset((dir_ / "pack").string());
  std::string table = "image,label\n";
  for (std::int64_t i = 0; i < whole->size(); ++i) {
    if (whole->label(i) != 1) table += fmt::format("{},{}\n", whole->name(i), 2 - whole->label(i));
  }
  put("labels.csv", table);
  put("classes", "n00000002\nn00000000\n");
  for (const std::string& data : {(dir_ / "pack").string(), source}) {
    const auto cut = open_dataset(data, {.classes = (dir_ / "classes").string(),
                                         .labels = (dir_ / "labels.csv").string(),
                                         .subset = {"3/class", false, 1}});
    ASSERT_EQ(cut->size(), 6);
    for (std::int64_t i = 0; i < 6; ++i) {
      // Turned by the table, then renumbered by the list: what was class 0 is class 2, which is the first
      // listed.
      EXPECT_EQ(cut->label(i), cut->name(i).starts_with("n00000000") ? 0 : 1);
    }
  }
}

}  // namespace
}  // namespace vitrail::datasets
