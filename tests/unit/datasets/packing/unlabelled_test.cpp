// Images without labels, for tasks that learn without: a folder of them and tars, as they lie, packed,
// written back and packed again; what wants labels of them is refused, and a table can still give some.
#include <gmock/gmock.h>

#include "datasets/pack/pack_info.hpp"
#include "datasets/pack/pack_verify.hpp"
#include "datasets/packing/pack_sources.hpp"
#include "datasets/source_dataset.hpp"
#include "datasets/unpacking/unpack.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class UnlabelledTest : public ArchivePackTest {
 protected:
  UnlabelledTest() {
    const std::string jpeg = fixture_image("jpeg_420");
    for (int i = 0; i < 7; ++i)
      put(fmt::format("photos/{}/{}.jpg", i % 2 == 0 ? "here" : "there", i), jpeg + std::to_string(i));
    put("photos/top.png", fixture_image("png_rgb"));
    tests::TarFile tar(path("t.tar"), tests::TarFile::Packing::plain);
    for (int i = 0; i < 9; ++i) tar.add(fmt::format("{}.jpg", i), jpeg + std::to_string(i));
  }

  void expect_unlabelled(const Dataset& dataset, std::int64_t images) const {
    EXPECT_EQ(dataset.size(), images) << dataset.describe();
    EXPECT_EQ(dataset.classes(), 0) << dataset.describe();
    for (std::int64_t i = 0; i < dataset.size(); ++i) EXPECT_EQ(dataset.label(i), 0);
  }

  // As it lies and as the pack in `pack` of one shard.
  void expect_same_samples(const std::string& source, std::int64_t images) const {
    const auto direct = open_dataset(source), packed = open_dataset(path("pack"));
    expect_unlabelled(*direct, images);
    expect_unlabelled(*packed, images);
    for (std::int64_t i = 0; i < images; ++i) {
      EXPECT_EQ(direct->name(i), packed->name(i));
      EXPECT_EQ(direct->read(i).encoded, packed->read(i).encoded);
    }
  }

  std::map<std::string, std::string> shards_of(const std::string& pack) const {
    auto files = contents(pack);
    files.erase(kManifestFile);  // it tells the source
    return files;
  }
};

TEST_F(UnlabelledTest, EveryImageBelowAFolder) {
  put("photos/.hidden/9.jpg", "");
  put("photos/__MACOSX/9.jpg", "");
  put("photos/notes.txt", "no image");
  const std::string source = "images:" + path("photos");
  EXPECT_EQ(labels_of(options(source, "pack")).size(), 8U);
  EXPECT_THAT(names_, IsEmpty());
  EXPECT_EQ(records("pack").at("there/3.jpg").bytes, fixture_image("jpeg_420") + "3");
  EXPECT_THAT(quarantine("pack").at(".hidden/9.jpg"), HasSubstr("hidden"));
  EXPECT_THAT(quarantine("pack").at("__MACOSX/9.jpg"), HasSubstr("system"));
  EXPECT_EQ(quarantine("pack").count("notes.txt"), 1U);
  fs::remove(dir_ / "photos/notes.txt");  // only a pack looks whether files are images
  labels_of(options(source, "pack"));
  expect_same_samples(source, 8);
  expect_same_bytes(options(source, "pack", 1000));
}

TEST_F(UnlabelledTest, APackSaysThatItHasNoLabels) {
  pack(options("images:" + path("photos"), "pack"));
  const PackInfo info = pack_info(dir_ / "pack");
  EXPECT_THAT(to_text(info), HasSubstr("none: images without labels"));
  EXPECT_THAT(to_json(info), HasSubstr(R"("classes": 0)"));
  EXPECT_THAT(verify_pack(dir_ / "pack", {1, true, false}).problems, IsEmpty());
}

TEST_F(UnlabelledTest, TarsWithoutLabels) {
  const std::string source = "wds:" + path("t.tar");
  const Error refused = error_of([&] { pack(options(source, "pack")); });
  EXPECT_EQ(refused.code(), ExitCode::bad_data);
  EXPECT_THAT(refused.hint(), HasSubstr("--labels none"));
  PackOptions o = options(source, "pack");
  o.labels = kNoLabels;
  put("names", "a\n");
  o.class_names = path("names");
  EXPECT_EQ(error_of([&] { pack(o); }).code(), ExitCode::refused);
  o.class_names = "";
  pack(o);
  expect_same_samples(source, 9);
  // Where some have labels, the others do not count; asked for none, a pack has all.
  {
    tests::TarFile mixed(path("m.tar"), tests::TarFile::Packing::plain);
    for (const char* name : {"1.jpg", "2.jpg"}) mixed.add(name, fixture_image("jpeg_420"));
    mixed.add("2.cls", "0");
  }
  const auto dataset = open_dataset("wds:" + path("m.tar"));
  EXPECT_EQ(dataset->size(), 1);
  EXPECT_EQ(dataset->classes(), 1);
  EXPECT_THAT(dataset->warnings(), ElementsAre(HasSubstr("no label for 1 samples")));
  PackOptions all = options("wds:" + path("m.tar"), "pack");
  all.labels = kNoLabels;
  EXPECT_EQ(labels_of(all), (Labels{{"1.jpg", 0}, {"2.jpg", 0}}));
  EXPECT_THAT(names_, IsEmpty());
}

TEST_F(UnlabelledTest, WrittenBackAndPackedAgain) {
  pack(options("images:" + path("photos"), "pack"));
  for (const UnpackFormat format : {UnpackFormat::folder, UnpackFormat::wds}) {
    fs::remove_all(dir_ / "out");
    fs::remove_all(dir_ / "again");
    unpack({dir_ / "pack", dir_ / "out", format, 1, false});
    EXPECT_FALSE(fs::exists(dir_ / "out/classes.txt"));
    PackOptions o = options((format == UnpackFormat::folder ? "images:" : "wds:") + path("out"), "again");
    if (format == UnpackFormat::wds) o.labels = kNoLabels;
    pack(o);
    EXPECT_EQ(records("again"), records("pack"));
    if (format == UnpackFormat::wds) continue;  // the tars' names are before the keys in its plan
    EXPECT_EQ(shards_of("again"), shards_of("pack"));
  }
}

TEST_F(UnlabelledTest, WhatWantsLabelsIsRefused) {
  pack(options("images:" + path("photos"), "pack"));
  for (const std::string& source : {path("pack"), "images:" + path("photos"), "wds:" + path("t.tar")}) {
    for (const SubsetOptions& subset : {SubsetOptions{"2/class"}, SubsetOptions{"50%", true}}) {
      const Error error = error_of([&] { open_dataset(source, {.subset = subset}); });
      EXPECT_EQ(error.code(), ExitCode::bad_data);
      EXPECT_THAT(error.what(), HasSubstr("has no labels"));
    }
    put("coarse.csv", "a,b\n");
    EXPECT_THAT(error_of([&] { open_dataset(source, {.coarse = path("coarse.csv")}); }).what(),
                HasSubstr("has no labels"));
    put("classes", "a\n");
    EXPECT_THAT(error_of([&] { open_dataset(source, {.classes = path("classes")}); }).what(),
                HasSubstr("has no labels"));
  }
  EXPECT_EQ(open_dataset(path("pack"), {.subset = {"50%"}})->size(), 4);
}

TEST_F(UnlabelledTest, ATableGivesLabels) {
  pack(options("images:" + path("photos"), "pack"));
  put("labels.csv", "image,label,class\nhere/2.jpg,1,wolf\nthere/1.jpg,0,elk\n");
  for (const std::string& source : {path("pack"), "images:" + path("photos")}) {
    const auto dataset = open_dataset(source, {.labels = path("labels.csv")});
    ASSERT_EQ(dataset->size(), 2);
    EXPECT_EQ(dataset->classes(), 2);
    for (std::int64_t i = 0; i < 2; ++i)
      EXPECT_EQ(dataset->class_name(dataset->label(i)), dataset->name(i) == "here/2.jpg" ? "wolf" : "elk");
  }
}

TEST_F(UnlabelledTest, AFolderWithoutClassesNamesTheWay) {
  put("flat/1.jpg", fixture_image("jpeg_420"));
  EXPECT_THAT(error_of([&] { open_dataset("folder:" + path("flat")); }).hint(),
              HasSubstr("images:" + path("flat") + " takes them without labels"));
  EXPECT_THAT(error_of([&] { pack(options("images:" + path("flat"), "flat/pack")); }).what(),
              HasSubstr("lies inside"));
  fs::create_directories(dir_ / "empty");
  EXPECT_EQ(error_of([&] { open_dataset("images:" + path("empty")); }).code(), ExitCode::bad_data);
  EXPECT_EQ(error_of([&] { open_dataset("images:" + path("nowhere")); }).code(), ExitCode::io);
  pack(options("images:" + path("photos"), "pack"));
  EXPECT_THAT(error_of([&] { open_dataset("images:" + path("pack")); }).hint(),
              HasSubstr("by its folder alone"));
}

}  // namespace
}  // namespace vitrail::datasets
