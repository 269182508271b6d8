// Folders, tars and lists as data sets: sample for sample what a pack of them is, so batches are equal to the
// bit; a pack of several shards is another order, and so is no reference. What a direct source cannot do is
// refused.
#include "datasets/source_dataset.hpp"

#include <gmock/gmock.h>

#include "datasets/loader/loader.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

class SourceDatasetTest : public ArchivePackTest {
 protected:
  SourceDatasetTest() {
    make_folder("photos", 3, 9);
    tests::TarFile first(path("a.tar"), tests::TarFile::Packing::plain);
    std::string list = "path,label\n";
    int number = 0;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "photos")) {
      if (!entry.is_regular_file()) continue;
      const std::string name = fs::relative(entry.path(), dir_ / "photos").string();
      first.add(name, read_text(entry.path()));
      first.add(name.substr(0, name.rfind('.')) + ".cls", std::to_string(number % 3));
      list += name + "," + std::to_string(number++ % 3) + "\n";
    }
    put("photos/list.csv", list);
  }

  void expect_samples_of_its_pack(const std::string& source, std::int64_t images) const {
    fs::remove_all(dir_ / "pack");
    pack(options(source, "pack"));
    const auto direct = open_dataset(source), packed = open_dataset(path("pack"));
    ASSERT_EQ(direct->size(), images) << source;
    ASSERT_EQ(packed->size(), images) << source;
    ASSERT_EQ(direct->classes(), packed->classes());
    for (std::int64_t c = 0; c < direct->classes(); ++c) {
      EXPECT_EQ(direct->class_name(c), packed->class_name(c));
      EXPECT_EQ(direct->class_id(c), packed->class_id(c));
    }
    for (std::int64_t i = 0; i < images; ++i) {
      EXPECT_EQ(direct->name(i), packed->name(i));
      EXPECT_EQ(direct->label(i), packed->label(i));
      EXPECT_EQ(direct->read(i).encoded, packed->read(i).encoded);
    }
  }

  static std::string batches_hash(const std::string& source, Order order) {
    TrainLoaderOptions plan;
    plan.lanes = {.seed = 5, .lanes = 2, .first_lane = 0, .end_lane = 2};
    plan.data.global_batch_size = 8;
    plan.data.order = order;
    plan.data.extent_images = 4;
    plan.data.window_extents = 2;
    plan.data.workers = 3;
    plan.views.front().image_size = 8;
    TrainLoader loader(open_dataset(source), plan);
    Hasher hasher;
    for (int k = 0; k < 12; ++k) {
      const LaneBatch batch = loader.next();
      hasher.update(std::as_bytes(std::span(batch.views.front())));
      hasher.update(std::as_bytes(std::span(batch.labels)));
      hasher.update(std::as_bytes(std::span(batch.sample_ids)));
    }
    return hasher.digest().hex();
  }
};

TEST_F(SourceDatasetTest, IsSampleForSampleItsPack) {
  const std::string sources[] = {"folder:" + path("photos"), "wds:" + path("a.tar"),
                                 "csv:" + path("photos/list.csv")};
  std::set<std::string> hashes;
  for (const std::string& source : sources) {
    if (source.starts_with("folder:")) fs::rename(dir_ / "photos/list.csv", dir_ / "list.csv");
    expect_samples_of_its_pack(source, 27);
    const auto direct = open_dataset(source), packed = open_dataset(path("pack"));
    for (const Order order : {Order::shuffled, Order::window, Order::sequential}) {
      const std::string hash = batches_hash(source, order);
      EXPECT_EQ(hash, batches_hash(path("pack"), order)) << source;
      hashes.insert(hash);
    }
    EXPECT_NE(direct->fingerprint(), packed->fingerprint());
    if (source.starts_with("folder:")) fs::rename(dir_ / "list.csv", dir_ / "photos/list.csv");
  }
  EXPECT_EQ(hashes.size(),
            6U);  // tar and list have the same labels, the folder others; each order is another
}

TEST_F(SourceDatasetTest, OtherSourcesWithoutOptionsToo) {
  const std::string jpeg = fixture_image("jpeg_1x1");
  for (int i = 0; i < 4; ++i) put(fmt::format("flat/{}.jpg", i), jpeg);
  put("labels.csv", "0,b\n1,a\n2,b\n3,a\n");
  expect_samples_of_its_pack("flat:" + path("flat") + "," + path("labels.csv"), 4);
  put("inat/train_val2018/1.jpg", jpeg);
  put("inat/train_val2018/2.jpg", jpeg);
  put("inat/train2018.json",
      R"({"images":[{"id":7,"file_name":"train_val2018/1.jpg"},{"id":8,"file_name":"train_val2018/2.jpg"}],)"
      R"("annotations":[{"image_id":7,"category_id":1},{"image_id":8,"category_id":0}],)"
      R"("categories":[{"id":0,"name":"b"},{"id":1,"name":"a"}]})");
  expect_samples_of_its_pack("inaturalist:" + path("inat/train2018.json"), 2);
  put("images", std::string("\0\0\x08\x03\0\0\0\3\0\0\0\2\0\0\0\2", 16) + "abcdefghijkl");
  put("labels", std::string("\0\0\x08\x01\0\0\0\3\2\0\1", 11));
  expect_samples_of_its_pack("idx:" + path("images") + "," + path("labels"), 3);
}

TEST_F(SourceDatasetTest, WhatChangesChangesTheFingerprint) {
  const std::string source = "folder:" + path("photos");
  const std::string before = open_dataset(source)->fingerprint();
  EXPECT_EQ(open_dataset(source)->fingerprint(), before);
  put("photos/n00000001/one_more.jpg", fixture_image("jpeg_1x1"));
  EXPECT_NE(open_dataset(source)->fingerprint(), before);
}

TEST_F(SourceDatasetTest, AFileThatGoesIsADamagedRecord) {
  const auto dataset = open_dataset("folder:" + path("photos"));
  const std::string name = dataset->name(4);
  fs::remove(dir_ / "photos" / name);
  try {
    dataset->read(4);
    ADD_FAILURE() << "no error";
  } catch (const DamagedRecord& e) {
    EXPECT_THAT(e.what(), HasSubstr("folder:" + path("photos") + ": " + name));
  }
  EXPECT_NO_THROW(dataset->read(5));
}

TEST_F(SourceDatasetTest, AFolderIsShownAsTrainingReadsIt) {
  const auto trained = open_dataset("folder:" + path("photos")),
             shown = open_shown("folder:" + path("photos"));
  ASSERT_EQ(shown->size(), trained->size());
  EXPECT_EQ(shown->classes(), 3);
  for (std::int64_t i = 0; i < shown->size(); ++i) {
    EXPECT_EQ(shown->name(i), trained->name(i));  // so the same is drawn for it
    EXPECT_EQ(shown->label(i), trained->label(i));
  }
  const std::string inside = "folder:" + path("photos/" + trained->class_id(0));  // images of one class
  put("photos/" + trained->class_id(0) + "/.thumbnails/x.jpg", "");
  EXPECT_EQ(open_shown(inside)->classes(), 0);
  EXPECT_EQ(open_shown("wds:" + path("a.tar"))->classes(), 3);
  EXPECT_EQ(error_of([&] { open_shown("folder:" + path("none")); }).code(), ExitCode::io);
}

TEST_F(SourceDatasetTest, WhatCannotBeReadDirectlyIsRefused) {
  EXPECT_TRUE(is_direct_source("folder:x") && is_direct_source("wds:x") && is_direct_source("csv:x"));
  EXPECT_FALSE(is_direct_source("cifar10:x") || is_direct_source("x"));
  for (const char* kind : {"cifar10:", "imagenet-val:", "parquet:"}) {
    const Error other = error_of([&] { open_dataset(kind + path("photos")); });
    EXPECT_EQ(other.code(), ExitCode::refused);
    EXPECT_THAT(other.hint(), HasSubstr("vitrail pack --source '" + (kind + path("photos")) + "'"));
  }
  EXPECT_EQ(error_of([&] { open_dataset("cifar11:" + path("photos")); }).code(), ExitCode::usage);
  put("photos/wide.csv", "path,fine,coarse\nx.jpg,1,2\n");
  const Error columns = error_of([&] { open_dataset("csv:" + path("photos/wide.csv")); });
  EXPECT_EQ(columns.code(), ExitCode::refused);
  EXPECT_THAT(columns.hint(),
              HasSubstr("--labels with one of fine, coarse; such options are of `vitrail pack`"));
  EXPECT_EQ(error_of([&] { open_dataset("folder:" + path("photos"), {.stage_dir = path("stage")}); }).code(),
            ExitCode::refused);
  EXPECT_EQ(error_of([&] { open_dataset("folder:" + path("none")); }).code(), ExitCode::io);
  put("empty/a/readme.txt", "");
  put("empty/b/readme.txt", "");
  fs::remove(dir_ / "empty/a/readme.txt");
  fs::remove(dir_ / "empty/b/readme.txt");
  EXPECT_EQ(error_of([&] { open_dataset("folder:" + path("empty")); }).code(), ExitCode::bad_data);
}

}  // namespace
}  // namespace vitrail::datasets
