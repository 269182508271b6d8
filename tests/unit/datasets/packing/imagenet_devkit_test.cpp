#include "datasets/packing/sources/imagenet_devkit.hpp"

#include <gmock/gmock.h>

#include "datasets/archives/matlab_file.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class Devkit : public ArchivePackTest {
 protected:
  Devkit() : tree_(tests::make_tree({.classes = 7, .each = 5})) {
    validation_ = tests::write_validation(tree_, path("val.tar"));
    tests::write_devkit(tree_, validation_, path("devkit.tar.gz"));
  }

  PackOptions val_options(const std::string& output) const {
    PackOptions o = options("imagenet-val:" + path("val.tar"), output, 20'000);
    o.devkit = path("devkit.tar.gz");
    return o;
  }

  std::vector<tests::ImageClass> tree_;
  std::vector<tests::ValidationFile> validation_;
};

TEST_F(Devkit, ReadsTheStructArrayCompressedOrNot) {
  for (const bool compressed : {false, true}) {
    const std::string file = tests::matlab_synsets(tree_, compressed);
    const MatlabStructs synsets = read_matlab_structs(bytes_of(file), "synsets", "meta.mat");
    EXPECT_EQ(synsets.fields.size(), 8U);
    ASSERT_EQ(synsets.rows.size(), 9U);
    for (const auto& c : tree_) {
      const auto& row = synsets.rows[c.ilsvrc_id - 1];
      EXPECT_EQ(row[synsets.field("ILSVRC2012_ID", "")].numbers, std::vector<double>{1.0 * c.ilsvrc_id});
      EXPECT_EQ(row[synsets.field("WNID", "")].text, c.wnid);
      EXPECT_EQ(row[synsets.field("words", "")].text, c.words);
      EXPECT_EQ(row[synsets.field("num_train_images", "")].numbers, std::vector<double>{1300.0});
    }
    EXPECT_EQ(synsets.rows[8][synsets.field("children", "")].numbers, (std::vector<double>{1, 2, 3}));
    EXPECT_THAT(error_of([&] { read_matlab_structs(bytes_of(file), "nothing", "meta.mat"); }).what(),
                HasSubstr("meta.mat: no variable nothing"));
    EXPECT_THAT(error_of([&] { read_matlab_structs(bytes_of(file), "release", "meta.mat"); }).what(),
                HasSubstr("no array of structs"));
  }
}

TEST_F(Devkit, DamagedMatlabFilesAreBadDataOrReadAsSomethingElse) {
  for (const bool compressed : {false, true}) {
    const std::string good = tests::matlab_synsets(tree_, compressed);
    for (std::size_t i = 0; i < good.size(); ++i) {
      for (const bool cut : {true, false}) {
        std::string bad = cut ? good.substr(0, i) : good;
        if (!cut) bad[i] = static_cast<char>(~bad[i]);
        try {
          read_matlab_structs(bytes_of(bad), "synsets", "meta.mat");
          EXPECT_FALSE(cut && i + 8 < good.size()) << i;
        } catch (const Error& e) {
          EXPECT_EQ(e.code(), ExitCode::bad_data);
        }
      }
    }
  }
}

TEST_F(Devkit, ClassesAreTheLeavesSortedByWnid) {
  const ImagenetDevkit kit = read_devkit(path("devkit.tar.gz"));
  ASSERT_EQ(kit.classes.size(), tree_.size());
  bool ids_are_another_order = false;
  for (std::size_t c = 0; c < tree_.size(); ++c) {
    EXPECT_EQ(kit.classes[c].wnid, tree_[c].wnid);
    EXPECT_EQ(kit.classes[c].name, tree_[c].words);
    ids_are_another_order = ids_are_another_order || tree_[c].ilsvrc_id != c + 1;
  }
  EXPECT_TRUE(ids_are_another_order);
  ASSERT_EQ(kit.validation.size(), validation_.size());
  for (std::size_t i = 0; i < validation_.size(); ++i)
    EXPECT_EQ(kit.validation[i], validation_[i].class_index);
}

TEST_F(Devkit, TheUnpackedFolderIsAsGood) {
  fs::create_directories(dir_ / "kit");
  ASSERT_EQ(std::system(fmt::format("tar -C {} -xzf {}", path("kit"), path("devkit.tar.gz")).c_str()), 0);
  for (const char* folder : {"kit", "kit/ILSVRC2012_devkit_t12/data"}) {
    EXPECT_EQ(read_devkit(path(folder)).validation, read_devkit(path("devkit.tar.gz")).validation);
  }
  fs::remove(dir_ / "kit/ILSVRC2012_devkit_t12/data/meta.mat");
  EXPECT_THAT(error_of([&] { read_devkit(path("kit")); }).what(), HasSubstr("kit: no meta.mat inside"));
}

TEST_F(Devkit, ValidationImagesGetTheirClassAndTheCountsAddUp) {
  const PackReport report = pack(val_options("pack"));
  const auto found = records("pack");
  const auto bad = quarantine("pack");
  std::map<std::string, std::pair<const tests::ImageFile*, std::uint32_t>> by_bytes;
  for (std::uint32_t c = 0; c < tree_.size(); ++c) {
    for (const auto& file : tree_[c].files) by_bytes[file.bytes] = {&file, c};
  }
  for (const auto& [key, entry] : found) {
    const auto& [file, label] = by_bytes.at(entry.bytes);
    EXPECT_EQ(entry.label, label) << key;
    EXPECT_EQ(file->reason, "") << key;
  }
  EXPECT_EQ(report.images + report.quarantined, validation_.size());
  EXPECT_EQ(found.size(), report.images);
  EXPECT_EQ(bad.size(), 6U);
  EXPECT_EQ(read_manifest(dir_ / "pack").classes[0].name, tree_[0].words);
  EXPECT_EQ(read_manifest(dir_ / "pack").split, "val");
}

TEST_F(Devkit, TheTrainingPackHasTheSameClasses) {
  tests::write_tar_of_tars(tree_, path("train.tar"), tests::TarFile::Packing::plain);
  PackOptions o = options("imagenet-train:" + path("train.tar"), "train");
  o.devkit = path("devkit.tar.gz");
  pack(o);
  pack(val_options("val"));
  const auto train = read_manifest(dir_ / "train").classes, val = read_manifest(dir_ / "val").classes;
  ASSERT_EQ(train.size(), val.size());
  for (std::size_t c = 0; c < train.size(); ++c) {
    EXPECT_EQ(train[c].wnid, val[c].wnid);
    EXPECT_EQ(train[c].name, val[c].name);
  }
  tree_.pop_back();
  tests::write_tar_of_tars(tree_, path("fewer.tar"), tests::TarFile::Packing::plain);
  o.source = "imagenet-train:" + path("fewer.tar");
  o.output = dir_ / "fewer";
  EXPECT_THAT(error_of([&] { pack(o); }).what(), HasSubstr("its 6 classes are not the 7 of"));
}

TEST_F(Devkit, MissingOrUnfittingDevkits) {
  PackOptions o = val_options("pack");
  o.devkit.clear();
  EXPECT_EQ(error_of([&] { pack(o); }).code(), ExitCode::refused);
  EXPECT_THAT(error_of([&] { pack(o); }).hint(), HasSubstr("--devkit"));
  validation_.pop_back();
  tests::write_devkit(tree_, validation_, path("short.tar.gz"));
  o.devkit = path("short.tar.gz");
  EXPECT_EQ(error_of([&] { pack(o); }).code(), ExitCode::bad_data);
  EXPECT_THAT(error_of([&] { pack(o); }).what(), HasSubstr("has labels for 46"));
  auto others = tree_;
  for (auto& c : others) c.ilsvrc_id += 3;  // the labels of the first three name nothing now
  {
    tests::TarFile tar(path("other.tar.gz"), tests::TarFile::Packing::gzip);
    tar.add("ILSVRC2012_validation_ground_truth.txt", "1\n");
    tar.add("meta.mat", tests::matlab_synsets(others, true));
  }
  o.devkit = path("other.tar.gz");
  EXPECT_THAT(error_of([&] { pack(o); }).what(), HasSubstr("line 1 is no class of meta.mat"));
  o.source = "folder:" + path("kit");
  EXPECT_EQ(error_of([&] { pack(o); }).code(), ExitCode::refused);
}

}  // namespace
}  // namespace vitrail::datasets
