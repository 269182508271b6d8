// Food-101 and Kaggle's ImageNet as they unpack, tables that name their classes, and formats of other
// libraries, which every way of opening a source tells apart.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "datasets/dataset.hpp"
#include "tests/unit/datasets/packing/labelled_files_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class LayoutsTest : public LabelledFilesTest {};

TEST_F(LayoutsTest, FoodAndKaggle) {
  put_images("food-101/images", {"apple_pie/1.jpg", "apple_pie/2.jpg", "waffles/3.jpg"});
  put("food-101/meta/classes.txt", "apple_pie\nsushi\nwaffles\n");
  put("food-101/meta/train.txt", "waffles/3\napple_pie/1\n");
  put("food-101/meta/test.txt", "apple_pie/2\n");
  const std::string food = "food101:" + path("food-101");
  EXPECT_EQ(labels_of(with(food, "train")), (Labels{{"apple_pie/1.jpg", 0}, {"waffles/3.jpg", 2}}));
  EXPECT_THAT(names_, ElementsAre("apple_pie", "sushi", "waffles"));
  EXPECT_EQ(labels_of(with(food, "test")), (Labels{{"apple_pie/2.jpg", 0}}));
  put("food-101/meta/train.txt", "waffles/3\ntart/1\n");
  expect_bad(with(food, "train"), "train.txt: line 2: tart is no class of");

  const std::string base = "k/ILSVRC/Data/CLS-LOC/";
  put_images(base + "train", {"n02000000/n02000000_7.JPEG", "n01000000/n01000000_3.JPEG"});
  put_images(base + "val", {"ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"});
  put("k/LOC_synset_mapping.txt", "n02000000 a dog, hound\nn01000000 a fish\n");
  put("k/LOC_val_solution.csv",
      "ImageId,PredictionString\nILSVRC2012_val_00000002,n01000000 1 2 3 4 \n"
      "ILSVRC2012_val_00000001,n02000000 1 2 3 4 n02000000 5 6 7 8 \n");
  const std::string kaggle = "imagenet-kaggle:" + path("k");
  EXPECT_EQ(labels_of(with(kaggle, "train")),
            (Labels{{"n01000000/n01000000_3.JPEG", 0}, {"n02000000/n02000000_7.JPEG", 1}}));
  EXPECT_THAT(names_, ElementsAre("a fish", "a dog, hound"));
  EXPECT_EQ(labels_of(with(kaggle, "val")),
            (Labels{{"ILSVRC2012_val_00000001.JPEG", 1}, {"ILSVRC2012_val_00000002.JPEG", 0}}));
  EXPECT_TRUE(warnings_.empty());

  // Files that no list names are counted; a folder that is no class means another list.
  put_images(base,
             {"train/stray.JPEG", "val/ILSVRC2012_val_00000003.JPEG", "val/ILSVRC2012_val_00000004.JPEG"});
  EXPECT_EQ(labels_of(with(kaggle, "train")).size(), 2U);
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("1 files are left out"), HasSubstr("stray.JPEG"))));
  EXPECT_THAT(quarantine("pack").at("stray.JPEG"), HasSubstr("no label"));
  EXPECT_EQ(labels_of(with(kaggle, "val")).size(), 2U);
  EXPECT_THAT(warnings_,
              ElementsAre(AllOf(HasSubstr("2 files are left out, which LOC_val_solution.csv does not"),
                                HasSubstr("the first: ILSVRC2012_val_00000003.JPEG"))));
  put_images(base, {"train/n03000000/1.JPEG"});
  expect_bad(with(kaggle, "train"), "the folder n03000000 is no class of LOC_synset_mapping.txt");
  fs::remove_all(dir_ / base / "train/n03000000");
  fs::remove_all(dir_ / base / "train/n01000000");
  expect_bad(with(kaggle, "train"), "no folder of the class n01000000");
}

// As `vitrail predict --output labels.csv` writes them.
TEST_F(LayoutsTest, ATableNamesItsOwnClasses) {
  put_images("d", {"1.jpg", "2.jpg", "3.jpg"});
  put("d/l.csv",
      "image,label,class,confidence\n1.jpg,3,wolf,0.9\n2.jpg,0,\"cat, tame\",0.8\n3.jpg,3,wolf,0.7\n");
  const std::string source = "csv:" + path("d/l.csv");
  EXPECT_EQ(labels_of(with(source)), (Labels{{"1.jpg", 3}, {"2.jpg", 0}, {"3.jpg", 3}}));
  EXPECT_THAT(names_, ElementsAre("cat, tame", "1", "2", "wolf"));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("no image of 2 of these 4 classes")));
  PackOptions named = with(source);
  named.class_names = path("names.txt");
  put("names.txt", "ant\nbee\nfly\nelk\n");  // what is asked for counts
  labels_of(named);
  EXPECT_THAT(names_, ElementsAre("ant", "bee", "fly", "elk"));
  put("d/l.csv", "image,label,class\n1.jpg,0,wolf\n2.jpg,0,cat\n3.jpg,1,elk\n");
  labels_of(with(source));
  EXPECT_THAT(names_, ElementsAre("0", "1"));
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("line 3: the label 0 is called cat, and wolf before")));
  put("d/l.csv", "image,label,class\n1.jpg,a,wolf\n2.jpg,b,cat\n3.jpg,a,elk\n");
  labels_of(with(source));
  EXPECT_THAT(names_, ElementsAre("a", "b"));  // names are what they say
}

TEST_F(LayoutsTest, FormatsOfOthersAreToldTheWay) {
  put("m/index.json", R"({"shards": [{"column_names": ["x", "y"], "format": "mds"}], "version": 2})");
  put("l/data.mdb", "pages");
  put("photos/a/index.json", "{}");  // nobody's shards
  put_images("photos/a", {"1.jpg"});
  EXPECT_EQ(labels_of(with("folder:" + path("photos"))).size(), 1U);
  for (const auto& [source, way] :
       std::map<std::string, std::string>{{"mds:" + path("x"), "webdataset.TarWriter"},
                                          {path("m"), "webdataset.TarWriter"},
                                          {"folder:" + path("m"), "webdataset.TarWriter"},
                                          {path("m/index.json"), "webdataset.TarWriter"},
                                          {path("l"), "Python's lmdb"},
                                          {path("l/data.mdb"), "Python's lmdb"},
                                          {"ffcv:" + path("train.beton"), "what it was written from"},
                                          {path("train.beton"), "what it was written from"},
                                          {"lmdb:" + path("x"), "Python's lmdb"}}) {
    const Error e = refusal(with(source));
    EXPECT_EQ(e.code(), ExitCode::usage) << source;
    EXPECT_THAT(e.what(), HasSubstr("--source " + source + ": "));
    EXPECT_THAT(e.what(), HasSubstr("not read"));
    EXPECT_THAT(e.hint(), HasSubstr(way));
    EXPECT_THAT(e.hint(), HasSubstr("wds:"));
    // The same where no pack is made.
    for (const auto& open : {open_dataset, open_unlabelled}) {
      const Error direct = error_of([&] { open(source, {.given_as = "data.train ="}); });
      EXPECT_EQ(direct.code(), ExitCode::usage);
      EXPECT_EQ(direct.hint(), e.hint());
      EXPECT_EQ(std::string(direct.what()),
                fmt::format("data.train = {}{}", source, std::string(e.what()).substr(9 + source.size())));
    }
  }
  const Error parquet = refusal(with(path("a.parquet")));
  EXPECT_EQ(parquet.code(), ExitCode::usage);
  EXPECT_THAT(parquet.hint(), HasSubstr("parquet:DIR|FILES"));
}

}  // namespace
}  // namespace vitrail::datasets
