// Packs written back: bytes of images as they came, and packed again the same records; what would leave the
// folder, be mixed or be lost is refused.
#include "datasets/unpacking/unpack.hpp"

#include <cstdlib>

#include <gmock/gmock.h>

#include "datasets/unpacking/image_names.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class UnpackTest : public ArchivePackTest {
 protected:
  UnpackReport unpacked(const std::string& pack, const std::string& output, UnpackFormat format,
                        int threads = 1) const {
    return unpack({dir_ / pack, dir_ / output, format, threads, false});
  }

  // Path below the folder -> bytes.
  std::map<std::string, std::string> tree(const std::string& folder) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / folder)) {
      if (entry.is_regular_file())
        files[fs::relative(entry.path(), dir_ / folder).string()] = read_text(entry.path());
    }
    return files;
  }

  // All that a pack says of its images and classes; the source's name, and what is derived from it, is left
  // out.
  struct Content {
    std::vector<std::string> classes, arrays;
    bool operator==(const Content&) const = default;
  };
  Content content(const std::string& pack) const {
    const Manifest m = read_manifest(dir_ / pack);
    Content all;
    for (const ClassEntry& c : m.classes) all.classes.push_back(c.name + "|" + c.wnid);
    for (const ShardEntry& s : m.shards) {
      all.arrays.push_back(s.blob.hash);
      all.arrays.push_back(s.key.hash);
    }
    for (const ArrayEntry& a : {m.index.offset, m.index.label, m.index.crc32c}) all.arrays.push_back(a.hash);
    return all;
  }
};

TEST_F(UnpackTest, FoldersArePackedAgainToTheSameFiles) {
  PackOptions o = options(make_folder("source", 3, 7), "pack", 1000);
  fs::create_directories(dir_ / "source/n00000002b");  // a class without images keeps its label
  pack(o);
  for (const int threads : {1, 4}) {
    const std::string out = fmt::format("out{}", threads);
    const UnpackReport report = unpacked("pack", out, UnpackFormat::folder, threads);
    EXPECT_EQ(report.images, 21U);
    EXPECT_TRUE(report.warnings.empty());
    EXPECT_EQ(tree(out), tree("source"));
    EXPECT_TRUE(fs::is_directory(dir_ / out / "n00000002b"));
  }
  PackOptions again = options("folder:" + path("out4"), "again", 1000);
  pack(again);
  auto first = contents("pack"), second = contents("again");
  EXPECT_GT(first.size(), 6U);
  // The manifest tells the source by its name; every other file is the same to the byte, the pack's id with
  // them.
  EXPECT_EQ(read_manifest(dir_ / "pack").id, read_manifest(dir_ / "again").id);
  first.erase(kManifestFile);
  second.erase(kManifestFile);
  EXPECT_EQ(first, second);
}

TEST_F(UnpackTest, TarsArePackedAgainToTheSameRecords) {
  make_folder("source", 3, 5);
  const std::string jpeg = fixture_image("jpeg_1x1"), png = fixture_image("png_rgb");
  put("source/n00000001/photo.v2.jpg", jpeg + "1");     // two dots
  put("source/n00000001/photo.jpg", jpeg + "2");        // the sample of the one before, if cut at the first
  put("source/n00000001/photo.png", png);               // a second image of that sample
  put("source/n00000002/blütenstaub.jpg", jpeg + "3");  // not ASCII
  put("source/n00000002/no ending", jpeg + "4");
  put("source/n00000002/" + std::string(180, 'x') + ".JPEG", jpeg + "5");
  put("source/a \"class\", quoted/1.jpg", jpeg + "6");
  fs::create_directories(dir_ / "source/zero");
  pack(options("folder:" + path("source"), "pack", 1500));
  const std::size_t shards = read_manifest(dir_ / "pack").shards.size();
  EXPECT_GT(shards, 2U);
  for (const int threads : {1, 3}) {
    const std::string out = fmt::format("out{}", threads);
    EXPECT_EQ(unpacked("pack", out, UnpackFormat::wds, threads).tars, shards);
    EXPECT_EQ(tree(out), tree("out1"));
    PackOptions again = options("wds:" + path(out), "again" + out, 1500);
    pack(again);
    EXPECT_EQ(content("again" + out), content("pack"));
    EXPECT_EQ(read_manifest(again.output).quarantined, 0U);
  }
  // Another program's eyes: tar itself reads them, and a sample's members stand together.
  ASSERT_EQ(
      std::system(
          fmt::format("cd {} && for t in out1/*.tar; do tar -tf $t; done > list", dir_.string()).c_str()),
      0);
  std::istringstream lines(read_text(dir_ / "list"));
  std::size_t labels = 0;
  for (std::string line; std::getline(lines, line);) labels += line.ends_with(".cls") ? 1 : 0;
  EXPECT_EQ(labels, read_manifest(dir_ / "pack").images);
}

TEST_F(UnpackTest, OtherSourcesComeBackThroughTars) {
  std::string images("\0\0\x08\x03\0\0\0\x03\0\0\0\x02\0\0\0\x02", 16),
      labels("\0\0\x08\x01\0\0\0\x03\2\0\1", 11);
  for (int i = 0; i < 12; ++i) images += static_cast<char>(20 * i);
  put("i", images);
  put("l", labels);
  pack(options("idx:" + path("i") + "," + path("l"), "idx"));
  unpacked("idx", "tars", UnpackFormat::wds);
  pack(options("wds:" + path("tars"), "again"));
  EXPECT_EQ(content("again"), content("idx"));
  unpacked("idx", "folders", UnpackFormat::folder);
  EXPECT_EQ(tree("folders").at("2/00000000.png"), records("idx").at("00000000").bytes);
  EXPECT_EQ(tree("folders").size(), 3U);

  // Classes whose order is not that of their names: tars keep labels, folders say that they cannot.
  const std::string jpeg = fixture_image("jpeg_1x1");
  put("c/1.jpg", jpeg);
  put("c/2.jpg", jpeg + "2");
  put("c/l.csv", "1.jpg,0\n2.jpg,1\n");
  put("names", "zebra\nant/bee\n");
  PackOptions o = options("csv:" + path("c/l.csv"), "odd");
  o.class_names = path("names");
  pack(o);
  unpacked("odd", "oddtars", UnpackFormat::wds);
  pack(options("wds:" + path("oddtars"), "oddagain"));
  EXPECT_EQ(content("oddagain"), content("odd"));
  EXPECT_THAT(unpacked("odd", "oddfolders", UnpackFormat::folder).warnings,
              ElementsAre(HasSubstr("have other labels")));
  EXPECT_EQ(tree("oddfolders"),
            (std::map<std::string, std::string>{{"zebra/1.jpg", jpeg}, {"ant_bee/2.jpg", jpeg + "2"}}));
}

TEST_F(UnpackTest, NothingIsWrittenOverOrOutside) {
  pack(options(make_folder("source", 2, 2), "pack"));
  put("there/x", "mine");
  const Error there = error_of([&] { unpacked("pack", "there", UnpackFormat::wds); });
  EXPECT_EQ(there.code(), ExitCode::refused);
  EXPECT_EQ(tree("there").size(), 1U);
  const std::string jpeg = fixture_image("jpeg_1x1");
  for (const char* key : {"../x.jpg", "/x.jpg", "a/../../x.jpg", "a//x.jpg", "./x.jpg", ""}) {
    EXPECT_FALSE(is_path_below(key)) << key;
  }
  for (const char* key : {"x.jpg", "a/..x.jpg", "a/b/.c", "..."}) EXPECT_TRUE(is_path_below(key)) << key;
  EXPECT_EQ(path_in_folder("a/x", "a", std::as_bytes(std::span(jpeg))), "a/x.jpg");
  EXPECT_EQ(path_in_folder("ab/x.png", "a", std::as_bytes(std::span(jpeg))), "a/ab/x.png");
  EXPECT_THAT(class_folders({{"Ram C/V", ""}, {"..", ""}, {"x", "n01440764"}}),
              ElementsAre("Ram C_V", "_..", "n01440764"));
  EXPECT_EQ(error_of([] { class_folders({{"a/b", ""}, {"a_b", ""}}); }).code(), ExitCode::refused);
}

// As a pack of before has them: the folder of a source is renamed inside of its shard.
TEST_F(UnpackTest, KeysThatLeadOutAreRefusedBeforeAnythingIsWritten) {
  PackOptions o = options(make_folder("source", 2, 3), "pack");
  pack(o);
  Manifest m = read_manifest(o.output);
  const fs::path shard = o.output / m.shards[0].file.name;
  std::string bytes = read_text(shard);
  const std::string key = records("pack").rbegin()->first, moved = "../" + key.substr(3);
  const auto at = bytes.find(key);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, key.size(), moved);
  std::ofstream(shard, std::ios::binary) << bytes;
  const Error e = error_of([&] { unpacked("pack", "out", UnpackFormat::folder); });
  EXPECT_EQ(e.code(), ExitCode::bad_data);
  EXPECT_THAT(e.what(), HasSubstr("1 keys are no paths below a folder; the first: " + moved));
  EXPECT_FALSE(fs::exists(dir_ / "out"));
  unpacked("pack", "tars", UnpackFormat::wds);
  ASSERT_EQ(std::system(fmt::format("cd {} && tar -tf tars/*.tar > list", dir_.string()).c_str()), 0);
  EXPECT_THAT(read_text(dir_ / "list"), Not(HasSubstr("..")));
  EXPECT_THAT(read_text(dir_ / "list"), HasSubstr(".key"));
}

TEST_F(UnpackTest, QuarantinedFilesAreSaid) {
  make_folder("source", 2, 3);
  put("source/n00000001/broken.jpg", "no image");
  pack(options("folder:" + path("source"), "pack"));
  for (const UnpackFormat format : {UnpackFormat::folder, UnpackFormat::wds}) {
    const std::string out = format == UnpackFormat::wds ? "wds" : "folder";
    EXPECT_THAT(unpacked("pack", out, format).warnings,
                ElementsAre(AllOf(HasSubstr("1 files were quarantined"), HasSubstr("other shards"))));
    pack(options(out + ":" + path(out), out + "again"));
    EXPECT_EQ(records(out + "again"), records("pack"));
  }
}

TEST_F(UnpackTest, ADamagedRecordEndsItAndLeavesNoTar) {
  pack(options(make_folder("source", 2, 4), "pack"));
  const Manifest m = read_manifest(dir_ / "pack");
  const fs::path shard = dir_ / "pack" / m.shards[0].file.name;
  std::string bytes = read_text(shard);
  bytes[m.shards[0].blob.address + m.shards[0].blob.bytes / 2] ^= 1;
  std::ofstream(shard, std::ios::binary) << bytes;
  for (const UnpackFormat format : {UnpackFormat::folder, UnpackFormat::wds}) {
    const std::string out = format == UnpackFormat::wds ? "wds" : "folder";
    const Error e = error_of([&] { unpacked("pack", out, format); });
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    EXPECT_THAT(e.what(), HasSubstr(m.shards[0].file.name + ": record "));
  }
  for (const auto& [name, text] : tree("wds")) EXPECT_EQ(name, "classes.txt");
}

}  // namespace
}  // namespace vitrail::datasets
