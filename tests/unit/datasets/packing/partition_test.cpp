#include "datasets/packing/partition.hpp"

#include <set>

#include <gmock/gmock.h>

#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

std::vector<std::string> keys(std::size_t count) {
  std::vector<std::string> made;
  for (std::size_t i = 0; i < count; ++i) made.push_back(fmt::format("n01440764/n01440764_{:05}.JPEG", i));
  return made;
}

TEST(Partition, TwentyOneKPKeepsLargeClassesAndTakesTheFirstFifty) {
  const auto train = Partition::parse("21k-p", "train"), val = Partition::parse("21k-p", "val");
  EXPECT_FALSE(train.select(keys(500)));
  EXPECT_FALSE(val.select(keys(500)));
  const auto first = val.select(keys(501)).value(), rest = train.select(keys(501)).value();
  for (std::size_t i = 0; i < 501; ++i) {
    EXPECT_EQ(first[i], i < 50) << i;
    EXPECT_EQ(rest[i], i >= 50) << i;
  }
}

TEST(Partition, TheHashCutsEveryClassAndMissesNothing) {
  const auto train = Partition::parse("hash:0.1", "train"), val = Partition::parse("hash:0.1", "val");
  const auto all = keys(20'000);
  const auto in_train = train.select(all).value(), in_val = val.select(all).value();
  std::size_t count = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_NE(in_train[i], in_val[i]);
    count += in_val[i] ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(count), 2000, 5 * std::sqrt(20'000 * 0.1 * 0.9));
  EXPECT_EQ(Partition::parse("hash:0", "train").select(all).value(), std::vector<bool>(all.size(), true));
  EXPECT_EQ(train.text(), "hash:0.1, train");
}

TEST(Partition, OtherRulesAndSplitsAreUsageErrors) {
  for (const char* rule : {"", "21k", "hash:", "hash:1", "hash:-0.1", "hash:0.1x", "hash:nan"}) {
    EXPECT_EQ(error_of([&] { Partition::parse(rule, "train"); }).code(), ExitCode::usage) << rule;
  }
  EXPECT_THAT(error_of([&] { Partition::parse("21k-p", "test"); }).hint(), HasSubstr("--split val"));
}

class PartitionPack : public ArchivePackTest {
 protected:
  // Classes of 500, 501 and 520 files, and one that is no image in each.
  std::vector<tests::ImageClass> make_tree() const {
    const std::string jpeg = fixture_image("jpeg_1x1");
    std::vector<tests::ImageClass> tree;
    for (const int files : {500, 501, 520}) {
      tests::ImageClass c{fmt::format("n{:08}", files), "", 0, {}};
      for (int i = files; i-- > 0;) {
        c.files.push_back({fmt::format("{}_{}.JPEG", c.wnid, 7 * i), jpeg + std::to_string(i), ""});
      }
      c.files[3].bytes = "no image";
      tree.push_back(c);
    }
    return tree;
  }

  static std::set<std::string> names(const tests::ImageClass& c) {
    std::set<std::string> sorted;
    for (const auto& file : c.files) sorted.insert(c.wnid + "/" + file.name);
    return sorted;
  }

  std::set<std::string> packed(const std::string& pack) const {
    std::set<std::string> found;
    for (const auto& [key, entry] : records(pack)) found.insert(key);
    for (const auto& [key, reason] : quarantine(pack)) found.insert(key);
    return found;
  }
};

TEST_F(PartitionPack, TwentyOneKPFromATarAndFromAStream) {
  const auto tree = make_tree();
  tests::write_tar_of_tars(tree, path("a.tar"), tests::TarFile::Packing::plain);
  tests::write_tar_of_tars(tree, path("a.tar.gz"), tests::TarFile::Packing::gzip);
  for (const char* archive : {"a.tar", "a.tar.gz"}) {
    for (const char* split : {"train", "val"}) {
      const std::string name = fmt::format("{}_{}", archive, split);
      PackOptions o = options("imagenet-21k:" + path(archive), name, 50'000);
      o.split = split;
      o.validation = "21k-p";
      pack(o);
      std::set<std::string> expected;
      for (const std::size_t c : {1, 2}) {
        std::size_t rank = 0;
        for (const std::string& key : names(tree[c])) {
          if ((rank++ < 50) == (o.split == "val")) expected.insert(key);
        }
      }
      EXPECT_EQ(packed(name), expected) << name;
      const Manifest m = read_manifest(dir_ / name);
      ASSERT_EQ(m.classes.size(), 2U);
      EXPECT_EQ(m.classes[0].wnid, "n00000501");
      EXPECT_EQ(m.selection, fmt::format("21k-p, {}; 1 classes with 500 files left out", split));
      EXPECT_EQ(m.source_images, expected.size());
    }
    EXPECT_EQ(read_manifest(dir_ / fmt::format("{}_val", archive)).source_images, 100U);
  }
}

TEST_F(PartitionPack, WithoutARuleAHashCutsAndAllPartsAddUp) {
  auto tree = make_tree();
  {
    tests::TarFile tar(path("a.tar"), tests::TarFile::Packing::plain);
    tar.add("README", "not a class");
    for (const auto& c : tree) tar.add(c.wnid + ".tar", tests::class_tar(c));
  }
  std::set<std::string> all{"README"}, both;
  for (const auto& c : tree) all.merge(names(c));
  for (const char* split : {"train", "val"}) {
    PackOptions o = options("imagenet-21k:" + path("a.tar"), split);
    o.split = split;
    pack(o);
    EXPECT_EQ(read_manifest(dir_ / split).selection, fmt::format("hash:0.01, {}", split));
    EXPECT_EQ(read_manifest(dir_ / split).classes.size(), 3U);
    for (const std::string& key : packed(split)) EXPECT_TRUE(both.insert(key).second) << key;
  }
  EXPECT_EQ(both, all);
  EXPECT_LT(records("val").size(), 40U);
  EXPECT_GT(records("val").size(), 3U);
  EXPECT_EQ(quarantine("train").count("README"), 1U);
}

}  // namespace
}  // namespace vitrail::datasets
