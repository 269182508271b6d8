// Packs of ImageNet's archives: from a tar of tars, a folder of tars and a gzipped stream.
#include "datasets/packing/sources/class_archives.hpp"

#include <barrier>
#include <thread>

#include <gmock/gmock.h>

#include "datasets/codec/codec.hpp"
#include "datasets/pack/pack_verify.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

class ClassArchivesTest : public ArchivePackTest {
 protected:
  ClassArchivesTest() : tree_(tests::make_tree({.classes = 6, .each = 12})) {
    tests::write_tar_of_tars(tree_, path("a.tar"), tests::TarFile::Packing::plain);
    tests::write_tar_of_tars(tree_, path("a.tar.gz"), tests::TarFile::Packing::gzip, "winter21_whole/");
    tests::write_folder_of_tars(tree_, path("tars"));
    tests::write_unpacked(tree_, path("files"));
  }

  PackOptions all_of(const std::string& archive, const std::string& output) const {
    PackOptions o = options("imagenet-21k:" + path(archive), output, 20'000);
    o.validation = "hash:0";
    return o;
  }

  // Ranks as threads, with a barrier between them.
  static void pack_with_ranks(const PackOptions& o, int world) {
    std::barrier barrier(world);
    std::vector<std::jthread> ranks;
    for (int rank = 0; rank < world; ++rank) {
      ranks.emplace_back([&, rank] { pack(o, {rank, world, [&] { barrier.arrive_and_wait(); }}); });
    }
  }

  std::vector<tests::ImageClass> tree_;
};

// What is in the pack is what a folder of the same files gives, which other tests hold to the files.
TEST_F(ClassArchivesTest, TrainFromATarOfTarsIsTheFolderOfItsFiles) {
  pack(options("folder:" + path("files"), "from_files", 20'000));
  pack(options("imagenet-train:" + path("a.tar"), "from_tar", 20'000));
  const Manifest files = read_manifest(dir_ / "from_files"), tar = read_manifest(dir_ / "from_tar");
  EXPECT_EQ(tar.index.offset.hash, files.index.offset.hash);
  EXPECT_EQ(tar.index.label.hash, files.index.label.hash);
  EXPECT_EQ(tar.index.crc32c.hash, files.index.crc32c.hash);
  EXPECT_EQ(tar.quarantine.hash, files.quarantine.hash);
  ASSERT_GT(tar.shards.size(), 3U);
  ASSERT_EQ(tar.shards.size(), files.shards.size());
  for (std::size_t s = 0; s < tar.shards.size(); ++s) {
    EXPECT_EQ(tar.shards[s].blob.hash, files.shards[s].blob.hash);
    EXPECT_EQ(tar.shards[s].key.hash, files.shards[s].key.hash);
  }
  EXPECT_EQ(tar.classes[5].wnid, tree_[5].wnid);
  EXPECT_TRUE(verify_pack(dir_ / "from_tar", {2, true, false}).problems.empty());
}

TEST_F(ClassArchivesTest, EveryAwkwardFileIsAcceptedOrNamedWithItsReason) {
  const PackReport report = pack(options("imagenet-train:" + path("a.tar"), "pack", 20'000));
  const auto found = records("pack");
  const auto bad = quarantine("pack");
  std::uint64_t files = 0;
  for (std::uint32_t c = 0; c < tree_.size(); ++c) {
    for (const auto& file : tree_[c].files) {
      ++files;
      const std::string key = tree_[c].wnid + "/" + file.name;
      if (file.reason.empty()) {
        ASSERT_EQ(found.count(key), 1U) << key;
        EXPECT_EQ(found.at(key), (Entry{c, file.bytes})) << key;
      } else {
        ASSERT_EQ(bad.count(key), 1U) << key;
        EXPECT_THAT(bad.at(key), HasSubstr(file.reason));
      }
    }
  }
  EXPECT_EQ(bad.size(), 6U);
  EXPECT_EQ(report.images, found.size());
  EXPECT_EQ(report.quarantined, bad.size());
  EXPECT_EQ(report.images + report.quarantined, files);
}

TEST_F(ClassArchivesTest, TarFolderAndStreamHoldTheSame) {
  for (const char* archive : {"a.tar", "tars", "a.tar.gz"}) {
    pack(all_of(archive, std::string("pack_") + archive));
    EXPECT_TRUE(verify_pack(dir_ / (std::string("pack_") + archive), {2, true, false}).problems.empty());
  }
  EXPECT_EQ(records("pack_a.tar"), records("pack_tars"));
  EXPECT_EQ(records("pack_a.tar"), records("pack_a.tar.gz"));
  EXPECT_EQ(quarantine("pack_a.tar"), quarantine("pack_a.tar.gz"));
  EXPECT_EQ(contents("pack_a.tar")["index.h5"], contents("pack_tars")["index.h5"]);
  EXPECT_EQ(read_manifest(dir_ / "pack_a.tar").id, read_manifest(dir_ / "pack_tars").id);
  EXPECT_GT(read_manifest(dir_ / "pack_a.tar.gz").shards.size(), 3U);
}

TEST_F(ClassArchivesTest, SameBytesForAnyThreadsAndRanks) {
  for (const char* archive : {"a.tar", "a.tar.gz"}) {
    const std::string name = archive;
    pack(all_of(archive, name + "_1"));
    const auto expected = contents(name + "_1");
    EXPECT_GT(expected.size(), 6U);
    for (const int threads : {2, 4}) {
      PackOptions o = all_of(archive, fmt::format("{}_{}", name, threads));
      o.threads = threads;
      pack(o);
      EXPECT_EQ(contents(o.output.filename().string()), expected) << threads;
    }
    pack_with_ranks(all_of(archive, name + "_ranks"), 3);
    EXPECT_EQ(contents(name + "_ranks"), expected);
    EXPECT_TRUE(pack(all_of(archive, name + "_1")).already_complete);
  }
}

TEST_F(ClassArchivesTest, KilledAtAnyMomentTheSameCommandCompletesIt) {
  for (const char* archive : {"a.tar", "a.tar.gz"}) {
    const std::string name = archive;
    pack(all_of(archive, name + "_whole"));
    const auto expected = contents(name + "_whole");
    int kills = 0;
    for (int round = 0; round < 4; ++round) {
      const PackOptions o = all_of(archive, fmt::format("{}_{}", name, round));
      kills += kill_while_packing(o, 1000 + 1500 * round);
      pack(o);
      EXPECT_EQ(contents(o.output.filename().string()), expected) << name << " round " << round;
    }
    EXPECT_GE(kills, 6);
  }
}

TEST_F(ClassArchivesTest, AStreamIsSortedOnceAndItsHeapsGoWithTheirShards) {
  struct Stop {};
  const PackOptions o = all_of("a.tar.gz", "pack");
  int barriers = 0;
  const PackRanks stopped{0, 1, [&] {
                            if (++barriers == 2) throw Stop();  // after sorting and packing
                          }};
  EXPECT_THROW(pack(o, stopped), Stop);
  const fs::path spool = dir_ / "pack/unfinished/spool";
  EXPECT_TRUE(fs::exists(spool / "spool.json"));
  EXPECT_FALSE(fs::exists(spool / "heap-00000"));
  const auto sorted = fs::last_write_time(spool / "spool.json");
  barriers = 0;
  EXPECT_THROW(pack(o, stopped), Stop);  // every shard is kept, nothing is sorted again
  EXPECT_EQ(fs::last_write_time(spool / "spool.json"), sorted);
  pack(all_of("a.tar.gz", "other"));
  fs::remove(dir_ / "pack" / read_manifest(dir_ / "other").shards[1].file.name);  // its heap is gone, too
  pack(o);
  EXPECT_EQ(contents("pack"), contents("other"));
}

TEST_F(ClassArchivesTest, DamagedArchivesStopThePackAndOddMembersDoNot) {
  fs::resize_file(dir_ / "a.tar", fs::file_size(dir_ / "a.tar") / 2);
  const Error cut = error_of([&] { pack(options("imagenet-train:" + path("a.tar"), "cut")); });
  EXPECT_EQ(cut.code(), ExitCode::bad_data);
  EXPECT_THAT(cut.what(), HasSubstr("a.tar: ends inside n0"));
  fs::resize_file(dir_ / "a.tar.gz", fs::file_size(dir_ / "a.tar.gz") / 2);
  EXPECT_EQ(error_of([&] { pack(all_of("a.tar.gz", "cut_gz")); }).code(), ExitCode::bad_data);
  EXPECT_FALSE(fs::exists(dir_ / "cut_gz/manifest.json"));

  const std::string jpeg = fixture_image("jpeg_1x1");
  std::string inner;
  {
    tests::TarFile tar(&inner);
    tar.add("./a.JPEG", jpeg);
    tar.add("a.JPEG", jpeg + "2");
    tar.add_link("link.JPEG", "a.JPEG");
    tar.add("bad\xff.JPEG", jpeg);
    tar.add(std::string(1100, 'x'), jpeg);
    tar.add("deeper/a.JPEG", jpeg);
  }
  for (const auto packing : {tests::TarFile::Packing::plain, tests::TarFile::Packing::gzip}) {
    const std::string name = packing == tests::TarFile::Packing::plain ? "odd.tar" : "odd.tar.gz";
    {
      tests::TarFile tar(path(name), packing);
      tar.add("n00000001.tar", inner);
      tar.add("n00000002.tar", std::string(1024, '\0'));  // a class without images
      tar.add("notes.txt", "hello");
    }
    PackOptions o = options("imagenet-21k:" + path(name), "pack_" + name);
    o.validation = "hash:0";
    const PackReport report = pack(o);
    EXPECT_EQ(report.images, 2U);
    EXPECT_EQ(report.quarantined, 5U);
    EXPECT_EQ(read_manifest(dir_ / ("pack_" + name)).classes.size(), 2U);
    EXPECT_EQ(records("pack_" + name).at("n00000001/a.JPEG").bytes, jpeg);
    const std::string list = read_text(dir_ / ("pack_" + name) / kQuarantineFile);
    EXPECT_THAT(list, HasSubstr(R"({"key":"n00000001/a.JPEG","reason":"a second file of this name"})"));
    EXPECT_THAT(list, HasSubstr(R"({"key":"n00000001/link.JPEG","reason":"not a file"})"));
    EXPECT_THAT(list,
                HasSubstr(R"({"key":"n00000001/bad\\xff.JPEG","reason":"its name is empty or not UTF-8"})"));
    EXPECT_THAT(list, HasSubstr(R"("reason":"its name is longer than 1024 bytes"})"));
    EXPECT_THAT(list,
                HasSubstr(R"({"key":"notes.txt","reason":"not the archive of a class, nXXXXXXXX.tar"})"));
  }
}

// Files of other people, from Debian's libjxl-testdata (odd samplings, progressive, not interleaved) and
// plasma-workspace-wallpapers: all are good images.
TEST_F(ClassArchivesTest, PhotographsAndOddJpegsOfOthersAreAllAccepted) {
  std::vector<tests::ImageClass> tree;
  for (const char* folder : {"/usr/share/libjxl-testdata/jxl/flower", "/usr/share/wallpapers"}) {
    if (!fs::is_directory(folder)) continue;
    tests::ImageClass c{fmt::format("n{:08}", tree.size()), "", 0, {}};
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string extension = entry.path().extension().string();
      const bool image = extension == ".jpg" || extension == ".png";
      if (!image || !entry.is_regular_file() || entry.file_size() > 400'000 || c.files.size() >= 40) continue;
      c.files.push_back({fmt::format("{:03}{}", c.files.size(), extension), read_text(entry.path()), ""});
    }
    tree.push_back(c);
  }
  if (tree.empty()) GTEST_SKIP() << "neither libjxl-testdata nor plasma-workspace-wallpapers is installed";
  tests::write_tar_of_tars(tree, path("photos.tar"), tests::TarFile::Packing::plain);
  pack(options("imagenet-train:" + path("photos.tar"), "pack"));
  EXPECT_EQ(read_text(dir_ / "pack" / kQuarantineFile), "");
  const auto found = records("pack");
  std::size_t files = 0;
  for (const auto& c : tree) {
    for (const auto& file : c.files)
      EXPECT_EQ(found.at(c.wnid + "/" + file.name).bytes, file.bytes) << ++files;
  }
  EXPECT_GT(found.size(), 10U);
}

TEST_F(ClassArchivesTest, ReencodeShrinksLargeImagesAndKeepsSmallOnes) {
  const std::string small = fixture_image("jpeg_1x1");
  put("photos/a/small.JPEG", small);
  put("photos/a/large.JPEG", tree_[0].files[0].bytes);  // 48 x 36
  PackOptions o = options("folder:" + path("photos"), "pack");
  o.reencode = parse_reencode("24,80");
  pack(o);
  const auto found = records("pack");
  EXPECT_EQ(found.at("a/small.JPEG").bytes, small);
  const Image image = decode_image(std::as_bytes(std::span(found.at("a/large.JPEG").bytes)));
  EXPECT_EQ(std::pair(image.width, image.height), std::pair(32, 24));
  EXPECT_EQ(read_manifest(dir_ / "pack").reencode, "24,80");
  EXPECT_TRUE(verify_pack(dir_ / "pack", {1, true, false}).problems.empty());
  for (const char* text : {"", "24", "24,", "0,80", "24,101", "24,80,", "x,80"}) {
    EXPECT_EQ(error_of([&] { parse_reencode(text); }).code(), ExitCode::usage) << text;
  }
  o.reencode.reset();
  EXPECT_EQ(error_of([&] { pack(o); }).code(), ExitCode::refused);
}

// Left out, such a file would shift the labels of all classes behind it.
TEST_F(ClassArchivesTest, APartOfAClassIsRefusedAndAnEmptyOneNamed) {
  const fs::path tar = dir_ / "tars" / (tree_[2].wnid + ".tar");
  const auto refusal = [&](const std::string& source) {
    return error_of([&] { pack(options("imagenet-train:" + path(source), "pack")); });
  };
  for (const std::string ending : {".tar.part", " (1).tar", ".tar.crdownload"}) {
    const fs::path part = dir_ / "tars" / (tree_[2].wnid + ending);
    fs::rename(tar, part);
    EXPECT_EQ(refusal("tars").code(), ExitCode::bad_data);
    EXPECT_THAT(refusal("tars").what(), HasSubstr(tree_[2].wnid + ending + ": no " + tree_[2].wnid + ".tar"));
    fs::rename(part, tar);
  }
  for (const auto packing : {tests::TarFile::Packing::plain, tests::TarFile::Packing::gzip}) {
    {
      tests::TarFile outer(path("part"), packing);
      outer.add(tree_[0].wnid + ".tar", read_text(dir_ / "tars" / (tree_[0].wnid + ".tar")));
      outer.add(tree_[1].wnid + ".tar.part", "x");
      outer.add(tree_[0].wnid + ".tar.md5", "x");
    }
    EXPECT_THAT(refusal("part").what(), HasSubstr(tree_[1].wnid + ".tar.part: no "));
  }
  put("tars/" + tree_[2].wnid + ".tar", std::string(10240, '\0'));
  PackOptions o = options("imagenet-train:" + path("tars"), "pack");
  std::vector<std::string> warnings;
  o.warn = [&](const std::string& text) { warnings.push_back(text); };
  pack(o);
  EXPECT_THAT(warnings, testing::ElementsAre(HasSubstr("1 archives of classes hold no file")));
  EXPECT_EQ(read_manifest(dir_ / "pack").classes.size(), tree_.size());
}

}  // namespace
}  // namespace vitrail::datasets
