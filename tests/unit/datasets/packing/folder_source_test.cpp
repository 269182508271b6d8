// Folders as users have them: what nobody meant as a class is named, and labels shift for nothing; flat
// folders with lists of labels; Hugging Face's tars; and which part of the data a pack is called.
#include <gmock/gmock.h>

#include "datasets/archives/label_list.hpp"
#include "datasets/packing/sources/split_names.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FolderSourceTest : public ArchivePackTest {
 protected:
  struct Made {
    Manifest manifest;
    std::vector<std::string> warnings;
    std::map<std::string, std::uint32_t> labels;  // by key
    std::map<std::string, std::string> quarantined;
  };

  Made packed(PackOptions o) {
    Made made;
    o.warn = [&](const std::string& text) { made.warnings.push_back(text); };
    pack(o);
    const std::string name = o.output.filename().string();
    made.manifest = read_manifest(o.output);
    for (const auto& [key, entry] : records(name)) made.labels[key] = entry.label;
    made.quarantined = quarantine(name);
    fs::remove_all(o.output);
    return made;
  }
  Made packed(const std::string& source) { return packed(options(source, "pack")); }

  Error refusal(const std::string& source) const {
    return error_of([&] { pack(options(source, "pack")); });
  }

  void put_images(const std::vector<std::string>& names) const {
    for (const std::string& name : names) put(name, jpeg_);
  }

  static std::vector<std::string> names_of(const Manifest& manifest) {
    std::vector<std::string> names;
    for (const ClassEntry& c : manifest.classes) names.push_back(c.name);
    return names;
  }

  const std::string jpeg_ = fixture_image("jpeg_1x1");
};

TEST_F(FolderSourceTest, SystemAndHiddenFoldersAreNoClassesAndNamed) {
  put_images({"d/cat/1.jpg", "d/dog/1.jpg", "d/__MACOSX/cat/1.jpg", "d/lost+found/1.jpg", "d/.cache/1.jpg",
              "d/dog/@eaDir/1.jpg", "d/dog/.thumbnails/1.jpg"});
  const Made made = packed("folder:" + path("d"));
  EXPECT_THAT(names_of(made.manifest), ElementsAre("cat", "dog"));
  EXPECT_EQ(made.labels, (std::map<std::string, std::uint32_t>{{"cat/1.jpg", 0}, {"dog/1.jpg", 1}}));
  EXPECT_THAT(made.warnings,
              ElementsAre(AllOf(HasSubstr("left out"), HasSubstr(".cache, __MACOSX, lost+found"))));
  EXPECT_EQ(made.quarantined.size(), 5U);
  EXPECT_THAT(made.quarantined.at("__MACOSX"), HasSubstr("in a folder of the system's"));
  EXPECT_THAT(made.quarantined.at("dog/@eaDir/1.jpg"), HasSubstr("in a folder of the system's"));
  EXPECT_THAT(made.quarantined.at("dog/.thumbnails/1.jpg"), HasSubstr("hidden"));
}

TEST_F(FolderSourceTest, AnEmptyClassKeepsItsLabelAndIsNamed) {
  put_images({"d/a/1.jpg", "d/c/1.jpg", "d/d/.hidden.jpg"});
  fs::create_directories(dir_ / "d/b");
  const Made made = packed("folder:" + path("d"));
  EXPECT_EQ(made.labels, (std::map<std::string, std::uint32_t>{{"a/1.jpg", 0}, {"c/1.jpg", 2}}));
  EXPECT_THAT(names_of(made.manifest), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(made.warnings,
              ElementsAre(HasSubstr("2 of 4 classes hold no image file, and keep their labels: b, d")));
}

TEST_F(FolderSourceTest, OneLevelTooHighIsRefusedOrSaid) {
  put_images({"d/train/cat/1.jpg", "d/train/dog/1.jpg", "d/val/cat/1.jpg", "d/__MACOSX/1.jpg"});
  const Error error = refusal("folder:" + path("d"));
  EXPECT_EQ(error.code(), ExitCode::bad_data);
  EXPECT_THAT(error.what(), HasSubstr("holds train, val, which are parts of a data set and not classes"));
  EXPECT_THAT(error.hint(), HasSubstr("go one level down: folder:" + path("d/train")));
  put_images({"e/Training/1.jpg"});
  EXPECT_EQ(refusal("folder:" + path("e")).code(), ExitCode::bad_data);
  put_images({"f/ILSVRC/a/1.jpg"});
  EXPECT_THAT(packed("folder:" + path("f")).warnings, ElementsAre(HasSubstr("only one class, ILSVRC")));
  put_images({"g/test/1.jpg", "g/tube/1.jpg"});  // test tubes, perhaps
  EXPECT_THAT(packed("folder:" + path("g")).warnings, ElementsAre(HasSubstr("test among the classes")));
}

TEST_F(FolderSourceTest, LinksToFoldersAreFollowedButNeverRound) {
  put_images({"all/cat/1.jpg", "all/dog/1.jpg", "d/own/1.jpg"});
  fs::create_directory_symlink(dir_ / "all/cat", dir_ / "d/cat");
  fs::create_directory_symlink(dir_ / "all/dog", dir_ / "d/own/more");
  fs::create_directory_symlink("..", dir_ / "d/own/up");
  fs::create_directory_symlink("/", dir_ / "d/own/root");
  const Made made = packed("folder:" + path("d"));
  EXPECT_EQ(made.labels, (std::map<std::string, std::uint32_t>{
                             {"cat/1.jpg", 0}, {"own/1.jpg", 1}, {"own/more/1.jpg", 1}}));
  EXPECT_THAT(made.quarantined.at("own/up"), HasSubstr("a link to a folder that holds it"));
  EXPECT_THAT(made.quarantined.at("own/root"), HasSubstr("a link to a folder that holds it"));
  EXPECT_THAT(made.warnings, IsEmpty());
  fs::create_directory_symlink(".", dir_ / "d/again");
  fs::create_directory_symlink("missing", dir_ / "d/gone");
  const Made odd = packed("folder:" + path("d"));
  EXPECT_EQ(odd.labels, made.labels);
  EXPECT_THAT(odd.quarantined.at("again"), HasSubstr("a link to a folder that holds it"));
  EXPECT_THAT(odd.warnings, ElementsAre(HasSubstr("left out, as no folders of classes: again, gone")));
  fs::remove(dir_ / "d/again");
  fs::remove(dir_ / "d/gone");
  fs::create_directory_symlink("own", dir_ / "d/twin");
  EXPECT_THAT(packed("folder:" + path("d")).warnings,
              ElementsAre(HasSubstr("own and twin are links to one folder")));
}

TEST_F(FolderSourceTest, FlatFoldersTakeTheirLabelsFromAList) {
  put_images({"val/ILSVRC2012_val_1.JPEG", "val/ILSVRC2012_val_2.JPEG", "val/ILSVRC2012_val_3.JPEG"});
  const Labels expected = {
      {"ILSVRC2012_val_1.JPEG", 1}, {"ILSVRC2012_val_2.JPEG", 0}, {"ILSVRC2012_val_3.JPEG", 1}};
  const std::string flat = "flat:" + path("val") + ",";
  put("kaggle.csv",
      "ImageId,PredictionString\nILSVRC2012_val_3,n02 85 1 499 272 \nILSVRC2012_val_1,n02 0 1 2 3 n02 5 6 7 "
      "8 \n"
      "ILSVRC2012_val_2,n01 1 2 3 4 \n");
  put("plain.csv", "ILSVRC2012_val_1.JPEG,n02\r\nILSVRC2012_val_2.JPEG,n01\r\nILSVRC2012_val_3.JPEG,n02\r\n");
  put("tabs.txt",
      "\xef\xbb\xbfILSVRC2012_val_1.JPEG\tn02\t0\t32\t44\t62\nILSVRC2012_val_2.JPEG\tn01\t1\t2\t3\t4\n"
      "ILSVRC2012_val_3.JPEG\tn02\t5\t6\t7\t8\n");
  put("macs.csv",
      "file,label\rILSVRC2012_val_1.JPEG,n02\rILSVRC2012_val_2.JPEG,n01\rILSVRC2012_val_3.JPEG,n02\r");
  put("words.txt", "ILSVRC2012_val_1.JPEG n02\n\nILSVRC2012_val_2.JPEG n01\nILSVRC2012_val_3.JPEG n02");
  for (const char* list : {"kaggle.csv", "plain.csv", "tabs.txt", "words.txt", "macs.csv"}) {
    const Made made = packed(flat + path(list));
    EXPECT_EQ(made.labels, expected) << list;
    EXPECT_THAT(names_of(made.manifest), ElementsAre("n01", "n02"));
    EXPECT_THAT(made.warnings, IsEmpty()) << list;
    EXPECT_EQ(made.manifest.split, "val");
  }
  put("numbers.txt", "ILSVRC2012_val_1.JPEG 3\nILSVRC2012_val_2.JPEG 1\nILSVRC2012_val_3.JPEG 10");
  const Made numbers = packed(flat + path("numbers.txt"));
  EXPECT_EQ(numbers.labels.at("ILSVRC2012_val_3.JPEG"), 10U);
  EXPECT_EQ(numbers.manifest.classes.size(), 11U);
  EXPECT_THAT(numbers.warnings, ElementsAre(HasSubstr("no image of 8 of these 11 classes, the first 0")));
  put("quoted.csv",
      "file,label\n\"ILSVRC2012_val_1.JPEG\",\"a, \"\"b\"\"\"\nILSVRC2012_val_2.JPEG,golden retriever\n");
  const Made some = packed(flat + path("quoted.csv"));
  EXPECT_THAT(names_of(some.manifest), ElementsAre("a, \"b\"", "golden retriever"));
  EXPECT_THAT(some.warnings, ElementsAre(HasSubstr("no label for 1 of the images")));
  EXPECT_THAT(some.quarantined.at("ILSVRC2012_val_3.JPEG"), HasSubstr("no label is known"));
}

TEST_F(FolderSourceTest, ListsThatDoNotFitAreNamedByTheirLine) {
  put_images({"val/1.JPEG", "val/2.JPEG", "val/a/3.JPEG", "val/b/3.JPEG"});
  const auto expect = [&](const std::string& list, const std::string& what) {
    put("list", list);
    const Error error = refusal("flat:" + path("val") + "," + path("list"));
    EXPECT_EQ(error.code(), ExitCode::bad_data) << list;
    EXPECT_THAT(error.what(), HasSubstr(what));
  };
  expect("1.JPEG,a\n7.JPEG,a\n", "list: line 2: 7.JPEG is not in");
  expect("7.JPEG,a\n1.JPEG,a\n", "list: line 1: 7.JPEG is not in");  // no header: its label is another's, too
  expect("7.JPEG,n00000001\n1.JPEG,n00000002\n", "list: line 1: 7.JPEG is not in");
  expect("7.JPEG,0\n1.JPEG,1\n", "list: line 1: 7.JPEG is not in");
  expect("file,label\n", "list: no labels inside");
  expect("", "list: no labels inside");
  // Ranked as names, each of these would shift labels: -1 (no class), 10.0 before 2.0, x beside 10 and 2.
  expect("1.JPEG,0\n2.JPEG,-1\n", "list: line 2: the label -1 is no index of a class");
  expect("1.JPEG,2.0\n2.JPEG,10.0\n", "list: line 1: the label 2.0 is no index of a class");
  expect("file,label\n1.JPEG,2\n2.JPEG,x\n",
         "list: line 3: the label x is no index of a class, and that of " + path("list") + ": line 2");
  expect("1.JPEG,0\n2.JPEG,4000000000\n", "list: line 2: the label 4000000000 is no index of a class");
  expect("1.JPEG,a\n1,b\n", "list: line 2: a second label for 1");
  expect("1.JPEG,a\n3.JPEG,b\n", "list: line 2: 3.JPEG is not in");  // which of them?
  expect("1.JPEG\n", "list: line 1: not FILE and LABEL");
  expect("my photo.JPEG a\n", "list: line 1: not FILE and LABEL");
  expect(std::string("PK\x03\x04\0\0", 6), "list: no text, but a zip file");
  EXPECT_EQ(refusal("flat:" + path("val")).code(), ExitCode::usage);
}

TEST_F(FolderSourceTest, HuggingFacesTarsAreLabelledByTheirNames) {
  const auto tar = [&](const std::string& name, const std::vector<std::string>& members) {
    tests::TarFile file(
        path(name), name.ends_with("gz") ? tests::TarFile::Packing::gzip : tests::TarFile::Packing::plain);
    for (const std::string& member : members) file.add(member, jpeg_);
  };
  tar("data/train_images_0.tar.gz", {"n00000002_7_n00000002.JPEG", "n00000001_1_n00000001.JPEG"});
  tar("data/train_images_1.tar.gz",
      {"n00000003_5_n00000003.JPEG", "n00000001_1_n00000001.JPEG", "readme.txt"});
  tar("data/val_images.tar.gz",
      {"ILSVRC2012_val_00000002_n00000003.JPEG", "ILSVRC2012_val_00000001_n00000002.JPEG",
       "ILSVRC2012_val_00000009_n00000001.JPEG"});
  tar("data/test_images.tar.gz", {"ILSVRC2012_test_00000001.JPEG"});
  const Made train = packed("imagenet-hf:" + path("data"));
  EXPECT_EQ(train.labels,
            (std::map<std::string, std::uint32_t>{{"n00000001/n00000001_1_n00000001.JPEG", 0},
                                                  {"n00000002/n00000002_7_n00000002.JPEG", 1},
                                                  {"n00000003/n00000003_5_n00000003.JPEG", 2}}));
  EXPECT_EQ(train.quarantined.size(), 2U);
  EXPECT_THAT(train.quarantined.at("readme.txt"), HasSubstr("no label is known"));
  EXPECT_EQ(train.manifest.split, "train");
  EXPECT_THAT(train.warnings,
              ElementsAre(HasSubstr("2 of 5 tars of training images"), HasSubstr("3 classes, not 1000")));
  const Made val = packed("imagenet-hf:" + path("data/val_images.tar.gz"));
  EXPECT_EQ(val.manifest.split, "val");
  EXPECT_EQ(val.labels.at("n00000003/ILSVRC2012_val_00000002_n00000003.JPEG"), 2U);
  PackOptions whole = options("imagenet-hf:" + path("data"), "pack");
  whole.split = "val";
  EXPECT_EQ(packed(whole).labels, val.labels);
  const Made one =
      packed("imagenet-hf:" + path("data/train_images_1.tar.gz") + "," + path("data/train_images_0.tar.gz"));
  EXPECT_EQ(one.labels, train.labels);
  EXPECT_THAT(refusal("imagenet-hf:" + path("data/test_images.tar.gz")).what(),
              HasSubstr("no image called ..._nXXXXXXXX.JPEG inside, but ILSVRC2012_test_00000001.JPEG"));
  EXPECT_THAT(refusal("imagenet-hf:" + path(".")).what(), HasSubstr("no train_images*.tar.gz inside"));
  fs::resize_file(dir_ / "data/train_images_1.tar.gz",
                  fs::file_size(dir_ / "data/train_images_1.tar.gz") - 3);
  EXPECT_THAT(refusal("imagenet-hf:" + path("data")).what(),
              HasSubstr("incomplete: the gzip stream stops at byte"));
}

// Each tar has images of all classes: without one, a pack would look like a whole one.
TEST_F(FolderSourceTest, AMissingTarOfHuggingFacesIsNamed) {
  const auto tar = [&](const std::string& name) {
    tests::TarFile(path(name), tests::TarFile::Packing::plain).add("n00000001_1_n00000001.JPEG", jpeg_);
  };
  for (const char* name : {"data/train_images_0.tar", "data/train_images_2.tar", "data/train_images_3.tar"})
    tar(name);
  put("data/train_images_1.tar.part", "x");
  const Error error = refusal("imagenet-hf:" + path("data"));
  EXPECT_EQ(error.code(), ExitCode::bad_data);
  EXPECT_THAT(error.what(), HasSubstr("no train_images_1.tar.gz inside, but train_images_2.tar"));
  tar("data/train_images_1.tar");
  EXPECT_THAT(packed("imagenet-hf:" + path("data")).warnings.front(), HasSubstr("4 of 5 tars"));
  tar("data/train_images_4.tar");
  EXPECT_THAT(packed("imagenet-hf:" + path("data")).warnings, ElementsAre(HasSubstr("1 classes, not 1000")));
  tar("data/train_images_3.tar.gz");
  EXPECT_THAT(refusal("imagenet-hf:" + path("data")).what(),
              HasSubstr("train_images_3.tar and train_images_3.tar.gz are the same part"));
}

TEST_F(FolderSourceTest, NumbersThatWouldShiftAreRefused) {
  put_images({"v2/0/1.jpg", "v2/1/1.jpg", "v2/3/1.jpg", "v2/10/1.jpg"});
  const Error error = refusal("folder:" + path("v2"));
  EXPECT_EQ(error.code(), ExitCode::bad_data);
  EXPECT_THAT(error.what(), HasSubstr("where 2 should be is 3, which would get the label 2"));
  EXPECT_THAT(error.hint(), HasSubstr("an empty folder"));
  for (const char* missing : {"2", "4", "5", "6", "7", "8", "9"})
    fs::create_directories(dir_ / "v2" / missing);
  EXPECT_EQ(packed("folder:" + path("v2")).labels.at("10/1.jpg"), 10U);
  put_images({"one/1/a.jpg", "one/02/a.jpg", "one/3/a.jpg"});
  const Made one = packed("folder:" + path("one"));
  EXPECT_EQ(one.labels.at("3/a.jpg"), 2U);
  EXPECT_THAT(one.warnings, ElementsAre(HasSubstr("called 1 to 3: folder 1 gets the label 0")));
  put_images({"twice/0/a.jpg", "twice/1/a.jpg", "twice/01/a.jpg"});
  EXPECT_EQ(refusal("folder:" + path("twice")).code(), ExitCode::bad_data);
}

TEST_F(FolderSourceTest, TwoLevelsTooHighIsRefused) {
  put_images({"d/Data/train/cat/1.jpg", "d/Data/val/cat/1.jpg"});
  const Error error = refusal("folder:" + path("d"));
  EXPECT_EQ(error.code(), ExitCode::bad_data);
  EXPECT_THAT(error.what(), HasSubstr(path("d/Data") + ": holds train, val, which are parts of a data set"));
  EXPECT_THAT(error.hint(), HasSubstr("down: folder:" + path("d/Data/train")));
}

TEST_F(FolderSourceTest, APackIsCalledAsWhatItsPathsLeadTo) {
  put_images({"s/val/a/1.jpg", "s/fval/1.jpg"});
  fs::create_directory_symlink(dir_ / "s/val", dir_ / "link");
  EXPECT_EQ(split_of("folder:" + path("link"), "packs/mine"), "val");
  EXPECT_EQ(split_of("folder:" + path("s/val/."), "packs/mine"), "val");
  EXPECT_EQ(split_of("flat:" + path("s/fval") + ",LOC_val_solution.csv", "packs/mine"), "val");
  const fs::path before = fs::current_path();
  fs::current_path(dir_ / "s/val");
  const std::string here = split_of("folder:.", path("mine"));
  fs::current_path(before);
  EXPECT_EQ(here, "val");
}

TEST_F(FolderSourceTest, SplitsHaveOneOfThreeNames) {
  for (const char* word : {"val", "valid", "Validation", "dev"}) EXPECT_EQ(split_called(word), "val") << word;
  EXPECT_EQ(split_called("training"), "train");
  put_images({"d/a/1.jpg", "d/b/1.jpg"});
  PackOptions o = options("folder:" + path("d"), "pack");
  o.split = "extra";
  const Error error = error_of([&] { pack(o); });
  EXPECT_EQ(error.code(), ExitCode::usage);
  EXPECT_THAT(error.hint(), HasSubstr("train, val or test"));
  o.split = "validation";
  EXPECT_EQ(packed(o).manifest.split, "val");
}

TEST_F(FolderSourceTest, APackIsCalledAsItsSourceOrItsOutputIs) {
  EXPECT_EQ(split_of("folder:/data/images/val", "packs/mine-val"), "val");
  EXPECT_EQ(split_of("folder:/data/images/val/", "packs/mine"), "val");
  EXPECT_EQ(split_of("folder:/data/images", "packs/mine-val"), "val");
  EXPECT_EQ(split_of("folder:/data/Validation", "packs/mine"), "val");
  EXPECT_EQ(split_of("flat:/data/val,/data/train.csv", "packs/mine"), "val");
  EXPECT_EQ(split_of("idx:a/train-images-idx3-ubyte.gz,a/train-labels-idx1-ubyte.gz", "packs/fashion"),
            "train");
  EXPECT_EQ(split_of("idx:a/t10k-images-idx3-ubyte.gz,b", "packs/fashion-test"), "test");
  EXPECT_EQ(split_of("imagenet-21k:fall11_whole.tar", "packs/21k-p-val"), "val");
  EXPECT_EQ(split_of("folder:photos", "packs/photos"), "train");
  EXPECT_EQ(split_of("folder:trains", "packs/valley"), "train");  // words, not letters
  const Error error = error_of([] { split_of("folder:/data/val", "packs/mine-train"); });
  EXPECT_EQ(error.code(), ExitCode::refused);
  EXPECT_THAT(error.hint(), HasSubstr("--split val"));
  put_images({"images/val/a/1.jpg", "images/val/b/1.jpg"});
  EXPECT_EQ(packed(options("folder:" + path("images/val"), "mine-val")).manifest.split, "val");
}

}  // namespace
}  // namespace vitrail::datasets
