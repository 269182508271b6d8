// Collections that are files and lists: miniatures in their publishers' layouts, each label by hand; what a
// list says that cannot be; the same bytes however many ranks and threads pack.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "datasets/archives/json_tables.hpp"
#include "datasets/archives/matlab_file.hpp"
#include "datasets/packing/sources/split_names.hpp"
#include "tests/archives/matlab_file.hpp"
#include "tests/unit/datasets/packing/labelled_files_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(LabelledFilesTest, TablesOfPathsAndLabels) {
  put_images("d", {"a/1.jpg", "b/2.jpg", "b/3.jpg", "unlisted.jpg"});
  const Labels expected = {{"a/1.jpg", 1}, {"b/2.jpg", 0}, {"b/3.jpg", 1}};
  put("d/plain.csv", "a/1.jpg,dog\nb/2.jpg,cat\n./b/3.jpg,dog\n");
  put("d/header.csv", "path,label\na/1.jpg,dog\nb/2.jpg,cat\nb/3.jpg,dog\n");
  put("d/turned.csv", "label,filename\ndog,a/1.jpg\ncat,b/2.jpg\ndog,b/3.jpg\n");
  put("d/wide.tsv", "id\tclass\timage_path\n1\tdog\ta/1.jpg\n2\tcat\tb/2.jpg\n3\tdog\tb/3.jpg\n");
  put("d/commas.tsv", "a/1.jpg\tdog, hound\nb/2.jpg\tcat\nb/3.jpg\tdog, hound\n");
  put("d/numbers.txt", "a/1.jpg 1\nb/2.jpg 0\nb/3.jpg 1\n");  // Caffe's ImageNet lists
  put("d/absolute.csv", fmt::format("{0}/a/1.jpg,dog\n{0}/b/2.jpg,cat\n{0}/b/3.jpg,dog\n", path("d")));
  for (const char* list :
       {"plain.csv", "header.csv", "turned.csv", "wide.tsv", "numbers.txt", "absolute.csv"}) {
    EXPECT_EQ(labels_of(with("csv:" + path("d") + "/" + list)), expected) << list;
    EXPECT_EQ(names_, (list == std::string("numbers.txt") ? std::vector<std::string>{"0", "1"}
                                                          : std::vector<std::string>{"cat", "dog"}));
  }
  EXPECT_EQ(labels_of(with("csv:" + path("d/commas.tsv"))), expected);
  EXPECT_THAT(names_, ElementsAre("cat", "dog, hound"));
  put("lists/far.csv", "1.jpg,x\n");
  EXPECT_EQ(labels_of(with("csv:" + path("lists/far.csv") + "," + path("d/a"))), (Labels{{"1.jpg", 0}}));
  PackOptions named = with("csv:" + path("d/numbers.txt"));
  put("names.txt", "n02000000 crane\nn01000000 crane\n");  // two of a name: the line is the class
  named.class_names = path("names.txt");
  EXPECT_EQ(labels_of(named), expected);
  EXPECT_EQ(read_manifest(named.output).classes[0].wnid, "n02000000");
  put("names.txt", "\xef\xbb\xbfn02000000 crane\r\nn01000000 crane\r\n");  // as Windows' Notepad saves it
  EXPECT_EQ(labels_of(named), expected);
  EXPECT_EQ(read_manifest(named.output).classes[0].wnid, "n02000000");
}

TEST_F(LabelledFilesTest, AColumnIsChosen) {
  put_images("d", {"1.jpg", "2.jpg"});
  put("d/l.csv", "path,fine,coarse\n1.jpg,pug,dog\n2.jpg,tabby,cat\n");
  const std::string source = "csv:" + path("d/l.csv");
  EXPECT_EQ(labels_of(with(source, "", "fine")), (Labels{{"1.jpg", 0}, {"2.jpg", 1}}));
  EXPECT_EQ(labels_of(with(source, "", "coarse")), (Labels{{"1.jpg", 1}, {"2.jpg", 0}}));
  EXPECT_EQ(read_manifest(path("pack")).selection, "labels: coarse");
  const Error other = refusal(with(source, "", "fine"));  // into the pack of the coarse ones
  EXPECT_EQ(other.code(), ExitCode::refused);
  EXPECT_THAT(other.what(), HasSubstr("what is selected was labels: coarse, is labels: fine"));
  EXPECT_THAT(refusal(with(source)).hint(), HasSubstr("--labels with one of fine, coarse"));
  EXPECT_EQ(refusal(with(source)).code(), ExitCode::refused);
  EXPECT_THAT(refusal(with(source, "", "Fine")).what(), HasSubstr("has no such column"));
  EXPECT_THAT(refusal(with("folder:" + path("d"), "", "fine")).hint(), HasSubstr("csv, wds, cifar10"));
}

TEST_F(LabelledFilesTest, TablesThatDoNotFit) {
  put_images("d", {"1.jpg", "2.jpg"});
  const auto expect = [&](const std::string& list, const std::string& what) {
    put("d/l.csv", list);
    expect_bad(with("csv:" + path("d/l.csv")), what);
  };
  expect("1.jpg,a\n7.jpg,b\n8.jpg,b\n", "l.csv: 2 of 3 files that it lists are not in");
  expect("1.jpg,a\n7.jpg,b\n8.jpg,b\n", "the first: 7.jpg");
  expect("photo,label\n1.jpg,a\n", "the first: photo");  // no header that is known: a file that is not there
  expect("1.jpg,a\n1.jpg,a\n", "1.jpg is listed twice");
  expect("1.jpg,a\n../1.jpg,b\n", "l.csv: line 2: ../1.jpg is not below");
  expect("1.jpg,a\n/1.jpg,b\n", "l.csv: line 2: /1.jpg is not below");
  expect("1.jpg,a\n2.jpg\n", "l.csv: line 2: not a path and its label");
  expect("1.jpg,a\n2.jpg,\n", "l.csv: line 2: not a path and its label");
  expect("1.jpg,\"a\n2.jpg,b\n", "l.csv: line 1: quotes that stay open");
  expect("1.jpg,0\n2.jpg,x\n", "l.csv: line 2: the label x is no index of a class");
  expect("path,label\n", "no image is listed");
  expect("", "no line inside");
  put("names.txt", "cat\n");
  PackOptions named = with("csv:" + path("d/l.csv"));
  named.class_names = path("names.txt");
  put("d/l.csv", "1.jpg,0\n2.jpg,1\n");
  expect_bad(named, "l.csv: line 2: 1 is no class of");
  put("names.txt", "cat\ncat\n");
  expect_bad(named, "names.txt: lines 1 and 2 are one class");
}

TEST_F(LabelledFilesTest, WhatIsNoImageIsQuarantined) {
  put_images("d", {"1.jpg"});
  put("d/2.jpg", jpeg_.substr(0, jpeg_.size() / 2));
  put("d/3.jpg", "");
  fs::create_directories(dir_ / "d/4.jpg");
  put("d/l.csv", "1.jpg,a\n2.jpg,b\n3.jpg,c\n4.jpg,d\n");
  EXPECT_EQ(labels_of(with("csv:" + path("d/l.csv"))), (Labels{{"1.jpg", 0}}));
  EXPECT_EQ(quarantine("pack").size(), 3U);
  EXPECT_THAT(quarantine("pack").at("4.jpg"), HasSubstr("not a file"));
  EXPECT_EQ(names_.size(), 4U);
}

TEST_F(LabelledFilesTest, SameBytesAtAnyNumberOfRanks) {
  std::string list;
  for (int i = 0; i < 12; ++i) {
    put_images("d", {fmt::format("{}.jpg", i)});
    list += fmt::format("{}.jpg,{}\n", i, i % 3);
  }
  put("d/l.csv", list);
  PackOptions o = with("csv:" + path("d/l.csv"));
  o.shard_bytes = 2 * jpeg_.size();
  expect_same_bytes(o);
}

class INaturalist : public LabelledFilesTest {
 protected:
  INaturalist() {
    put_images("i", {"train_val2018/Aves/1/a.jpg", "train_val2018/Aves/1/b.jpg",
                     "train_val2018/Plantae/0/c.jpg", "train_val2018/Aves/2/d.jpg"});
    put("i/categories.json", R"([
      {"id": 0, "name": "Zea mays", "supercategory": "Plantae", "kingdom": "Plantae", "phylum": "Tracheophyta",
       "class": "Liliopsida", "order": "Poales", "family": "Poaceae", "genus": "Zea"},
      {"id": 2, "name": "Anas acuta", "supercategory": "Aves", "kingdom": "Animalia", "phylum": "Chordata",
       "class": "Aves", "order": "Anseriformes", "family": "Anatidae", "genus": "Anas"},
      {"id": 1, "name": "Corvus corax", "supercategory": "Aves", "kingdom": "Animalia", "phylum": "Chordata",
       "class": "Aves", "order": "Passeriformes", "family": "Corvidae", "genus": "Corvus"}])");
    put("i/train2018.json", list(kImages, kAnnotations));
  }

  static std::string list(const std::string& images, const std::string& annotations) {
    return R"({"info": {"year": 2018, "images": [{"id": 99}]}, "licenses": [{"id": 1, "name": "x", "of": [1, {"id": 2}]}],
      "annotations": [)" +
           annotations + R"(], "images": [)" + images + R"(],
      "categories": [{"id": 0, "name": "0"}, {"id": 1, "name": "1"}, {"id": 2, "name": "2"}]})";
  }

  PackOptions ranked(const std::string& rank) const {
    return with("inaturalist:" + path("i/train2018.json"), "", rank);
  }
  Labels expected(std::uint32_t a, std::uint32_t c, std::uint32_t d) const {
    return {{"train_val2018/Aves/1/a.jpg", a},
            {"train_val2018/Aves/1/b.jpg", a},
            {"train_val2018/Plantae/0/c.jpg", c},
            {"train_val2018/Aves/2/d.jpg", d}};
  }

  const std::string kImages = R"(
    {"id": 10, "width": 800, "file_name": "train_val2018/Aves/1/a.jpg", "license": 3, "rights_holder": null},
    {"id": 11, "file_name": "train_val2018/Aves/1/b.jpg"},
    {"id": 12, "file_name": "train_val2018/Plantae/0/c.jpg"},
    {"file_name": "train_val2018/Aves/2/d.jpg", "id": 13})";
  const std::string kAnnotations = R"(
    {"id": 1, "image_id": 12, "category_id": 0}, {"id": 2, "image_id": 10, "category_id": 1},
    {"id": 3, "image_id": 11, "category_id": 1}, {"id": 4, "image_id": 13, "category_id": 2})";
};

TEST_F(INaturalist, NamesThatLeadOutAreRefusedFirst) {
  put("out.jpg", jpeg_);
  for (const char* name : {"../out.jpg", "train_val2018/../../out.jpg", "/etc/hostname"}) {
    put("i/train2018.json",
        fmt::format(
            R"({{"images": [{}, {{"id": 14, "file_name": "{}"}}], "annotations": [{}, {{"id": 5, "image_id": 14, "category_id": 0}}]}})",
            kImages, name, kAnnotations));
    expect_bad(ranked(""), fmt::format("the name {} leads out of the source", name));
    EXPECT_FALSE(fs::exists(dir_ / "pack/manifest.json"));
  }
}

TEST_F(INaturalist, EveryRankIsAKindOfLabels) {
  EXPECT_EQ(labels_of(ranked("")), expected(1, 0, 2));
  EXPECT_THAT(names_, ElementsAre("Zea mays", "Corvus corax", "Anas acuta"));  // by their ids
  EXPECT_EQ(read_manifest(path("pack")).split, "train");                       // of train2018.json
  struct Rank {
    const char* rank;
    std::vector<std::string> names;
    Labels labels;
  };
  const Rank ranks[] = {{"kingdom", {"Animalia", "Plantae"}, expected(0, 1, 0)},
                        {"phylum", {"Chordata", "Tracheophyta"}, expected(0, 1, 0)},
                        {"class", {"Aves", "Liliopsida"}, expected(0, 1, 0)},
                        {"order", {"Anseriformes", "Passeriformes", "Poales"}, expected(1, 2, 0)},
                        {"family", {"Anatidae", "Corvidae", "Poaceae"}, expected(1, 2, 0)},
                        {"genus", {"Anas", "Corvus", "Zea"}, expected(1, 2, 0)},
                        {"species", {"Zea mays", "Corvus corax", "Anas acuta"}, expected(1, 0, 2)}};
  for (const Rank& rank : ranks) {
    EXPECT_EQ(labels_of(ranked(rank.rank)), rank.labels) << rank.rank;
    EXPECT_EQ(names_, rank.names) << rank.rank;
  }
  EXPECT_EQ(refusal(ranked("tribe")).code(), ExitCode::refused);
  fs::remove(dir_ / "i/categories.json");  // then the list's own: names that are numbers, no ranks
  EXPECT_EQ(labels_of(ranked("")), expected(1, 0, 2));
  EXPECT_THAT(names_, ElementsAre("0", "1", "2"));
  fs::remove_all(dir_ / "pack");
  EXPECT_EQ(refusal(ranked("genus")).code(), ExitCode::refused);
  EXPECT_THAT(refusal(ranked("genus")).hint(), HasSubstr("categories.json"));
}

TEST_F(INaturalist, ListsThatDoNotFit) {
  const auto expect = [&](const std::string& text, const std::string& what) {
    put("i/train2018.json", text);
    expect_bad(ranked(""), what);
  };
  const std::string whole = list(kImages, kAnnotations);
  for (const std::size_t length : {std::size_t{1}, whole.size() / 3, whole.size() / 2, whole.size() - 1}) {
    expect(whole.substr(0, length), "train2018.json: byte ");
  }
  expect(list(kImages, ""), "no annotations inside");
  expect(list(kImages, kAnnotations + R"(,{"id": 5, "image_id": 77, "category_id": 2})"), "of the image 77");
  expect(list(kImages, kAnnotations + R"(,{"id": 5, "image_id": 10, "category_id": 2})"), "of the image 10");
  expect(list(kImages + R"(,{"id": 13, "file_name": "x"})", kAnnotations),
         "the image 13 has no file_name, or");
  expect(list(kImages + R"(,{"id": 14})", kAnnotations), "the image 14 has no file_name");
  expect(list(kImages, R"({"id": 1, "image_id": 10, "category_id": 7})"), "the category 7 is none of");
  expect(list(kImages, R"({"id": 1, "image_id": -10, "category_id": 1})"), "whose image_id is no number");
  put("i/train2018.json", list(kImages, R"({"id": 1, "image_id": 10, "category_id": 1})"));
  EXPECT_EQ(labels_of(ranked("")).size(), 1U);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("no annotation of 3 images, which are left out; the first: "
                                               "train_val2018/Aves/1/b.jpg")));
  EXPECT_THAT(quarantine("pack").at("train_val2018/Aves/2/d.jpg"), HasSubstr("no label is known"));
}

TEST_F(LabelledFilesTest, JsonIsReadRowByRow) {
  put("t.json",
      R"({"a": [{"x": 1, "y": "z", "n": {"x": 5}, "l": [{"x": 6}]}, {"x": -2.5}], "b": {"x": [{"x": 3}]},
                    "c": [[{"x": 4}]], "d": [1, {"x": true}]})");
  std::vector<std::string> rows;
  const auto note = [&](const std::string& table, const JsonRow& row) {
    std::string text = table + ":";
    for (const auto& [column, value] : row) text += fmt::format("{}={};", column, value);
    rows.push_back(text);
  };
  read_json_tables(path("t.json"), note);
  EXPECT_THAT(rows, ElementsAre("a:x=1;y=z;", "a:x=-2.5;", "d:x=true;"));
  rows.clear();
  put("t.json", R"([{"x": 1}, {"x": {"x": 2}, "y": "w"}])");
  read_json_tables(path("t.json"), note);
  EXPECT_THAT(rows, ElementsAre(":x=1;", ":y=w;"));
  EXPECT_EQ(error_of([&] { read_json_tables(path("none.json"), note); }).code(), ExitCode::io);
}

TEST_F(LabelledFilesTest, Flowers) {
  put_images("f/jpg",
             {"image_00001.jpg", "image_00002.jpg", "image_00003.jpg", "image_00004.jpg", "image_00005.jpg"});
  const std::string labels = tests::matlab_numbers({3, 1, 2, 1, 3}, "labels"),
                    sets = tests::matlab_numbers({2, 5}, "trnid") + tests::matlab_numbers({3}, "valid") +
                           tests::matlab_numbers({1, 4}, "tstid");
  put("f/imagelabels.mat", tests::matlab_header("labels") + tests::matlab_compressed(labels));
  put("f/setid.mat", tests::matlab_header("sets") + sets);
  const std::string source = "flowers102:" + path("f");
  EXPECT_EQ(labels_of(with(source, "train")), (Labels{{"image_00002.jpg", 0}, {"image_00005.jpg", 2}}));
  EXPECT_THAT(names_, ElementsAre("1", "2", "3"));
  EXPECT_EQ(labels_of(with(source, "val")), (Labels{{"image_00003.jpg", 1}}));
  EXPECT_EQ(labels_of(with(source, "test")), (Labels{{"image_00001.jpg", 2}, {"image_00004.jpg", 0}}));
  EXPECT_EQ(labels_of(with(source, "trainval")),
            (Labels{{"image_00002.jpg", 0}, {"image_00003.jpg", 1}, {"image_00005.jpg", 2}}));
  fs::remove_all(dir_ / "pack");
  EXPECT_EQ(refusal(with(source, "all")).code(), ExitCode::usage);
  EXPECT_THAT(refusal(with(source, "all")).hint(), HasSubstr("trainval"));
  put("f/setid.mat", tests::matlab_header("sets") + tests::matlab_numbers({6}, "trnid"));
  expect_bad(with(source, "train"), "trnid: the image 6 has no label");
  put("f/setid.mat", tests::matlab_header("sets") + tests::matlab_numbers({0}, "trnid"));
  expect_bad(with(source, "train"), "0 is no number counted from 1");
  put("f/setid.mat", tests::matlab_header("sets") + tests::matlab_number(1, "other"));
  expect_bad(with(source, "train"), "no variable trnid");
  put("f/imagelabels.mat", tests::matlab_header("labels") + tests::matlab_compressed(labels).substr(0, 40));
  expect_bad(with(source, "train"), "imagelabels.mat: ");
}

TEST_F(LabelledFilesTest, Cars) {
  const auto annotations = [](const std::vector<std::pair<std::string, double>>& images) {
    std::vector<std::string> values;
    for (const auto& [name, number] : images) {
      values.push_back(tests::matlab_number(30));
      values.push_back(tests::matlab_number(number));
      values.push_back(tests::matlab_text(name));
    }
    return tests::matlab_header("cars") + tests::matlab_compressed(tests::matlab_structs(
                                              {"bbox_x1", "class", "fname"}, values, "annotations"));
  };
  put_images("c/cars_train", {"00001.jpg", "00002.jpg"});
  put_images("c/cars_test", {"00001.jpg"});
  const std::string meta = tests::matlab_cells(
      {tests::matlab_text("AM General Hummer SUV 2000"), tests::matlab_text("Acura RL 2012")}, "class_names");
  put("c/devkit/cars_meta.mat", tests::matlab_header("meta") + tests::matlab_compressed(meta));
  put("c/devkit/cars_train_annos.mat", annotations({{"00001.jpg", 2}, {"00002.jpg", 1}}));
  put("c/cars_test_annos_withlabels.mat",
      annotations({{"00001.jpg", 2}}));  // beside devkit/, as it is published
  const std::string source = "cars:" + path("c");
  EXPECT_EQ(labels_of(with(source, "train")), (Labels{{"00001.jpg", 1}, {"00002.jpg", 0}}));
  EXPECT_THAT(names_, ElementsAre("AM General Hummer SUV 2000", "Acura RL 2012"));
  EXPECT_EQ(labels_of(with(source, "test")), (Labels{{"00001.jpg", 1}}));
  fs::remove_all(dir_ / "pack");
  EXPECT_EQ(refusal(with(source, "val")).code(), ExitCode::refused);
  EXPECT_THAT(refusal(with(source, "val")).hint(), HasSubstr("train or test"));
  put("c/devkit/cars_train_annos.mat", annotations({{"00001.jpg", 3}}));
  expect_bad(with(source, "train"), "of class 3 of 2");
  put("c/devkit/cars_train_annos.mat", annotations({{"../cars_test/00001.jpg", 1}}));
  expect_bad(with(source, "train"), "an image without a name");
  put("c/devkit/cars_meta.mat",
      tests::matlab_header("meta") + tests::matlab_cells({tests::matlab_number(3)}, "class_names"));
  expect_bad(with(source, "train"), "cars_meta.mat: a cell that is no text");
}

}  // namespace
}  // namespace vitrail::datasets
