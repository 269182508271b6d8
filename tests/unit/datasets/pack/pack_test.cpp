#include "datasets/packing/pack.hpp"

#include <set>

#include <gmock/gmock.h>

#include "datasets/augment/transform.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/dataset.hpp"
#include "datasets/pack/hdf5_handles.hpp"
#include "datasets/pack/pack_format.hpp"
#include "datasets/pack/pack_info.hpp"
#include "datasets/pack/pack_verify.hpp"
#include "tests/unit/datasets/pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

class Pack : public PackTest {};

TEST_F(Pack, HoldsEveryImageOnceWithItsLabelAndBytes) {
  const std::string source = make_folder("images", 4, 9);
  const PackReport report = pack(options(source, "pack", 8000));
  EXPECT_EQ(report.images, 36U);
  EXPECT_EQ(report.quarantined, 0U);
  EXPECT_GT(report.shards, 2U);
  std::set<std::string> keys;
  for (const auto& shard : read_manifest(dir_ / "pack").shards) {
    const H5File file = H5File::open(dir_ / "pack" / shard.file.name);
    std::vector<std::uint64_t> offset(shard.images + 1);
    std::vector<std::uint32_t> label(shard.images);
    std::string blob(shard.blob.bytes, '\0'), key(shard.key.bytes, '\0');
    file.read("offset", 0, offset.size(), std::as_writable_bytes(std::span(offset)));
    file.read("label", 0, label.size(), std::as_writable_bytes(std::span(label)));
    file.read("blob", 0, blob.size(), std::as_writable_bytes(std::span(blob)));
    file.read("key", 0, shard.images, std::as_writable_bytes(std::span(key)));
    for (std::size_t i = 0; i < shard.images; ++i) {
      const std::string name =
          printable(key.substr(i * key.size() / shard.images, key.size() / shard.images));
      keys.insert(name);
      EXPECT_EQ(name.substr(0, 9), fmt::format("n{:08}", label[i]));
      EXPECT_EQ(blob.substr(offset[i], offset[i + 1] - offset[i]), read_text(dir_ / "images" / name));
    }
  }
  EXPECT_EQ(keys.size(), 36U);
}

// As ImageNet-V2 comes: a folder's name is its class's number. Sorted as text, "10" would be class 2.
TEST_F(Pack, FoldersCalledByNumberAreInTheirOrder) {
  make_folder("images", 12, 1);
  for (int label = 0; label < 12; ++label) {
    fs::rename(dir_ / "images" / fmt::format("n{:08}", label), dir_ / "images" / fmt::to_string(label));
  }
  write_text_atomically(dir_ / "images" / "README", "a file beside them changes nothing");
  const std::string source = "folder:" + (dir_ / "images").string();
  pack(options(source, "pack"));
  const auto dataset = open_dataset((dir_ / "pack").string());
  ASSERT_EQ(dataset->size(), 12);
  for (std::int64_t i = 0; i < 12; ++i) {
    EXPECT_EQ(dataset->class_id(i), fmt::to_string(i));
    EXPECT_TRUE(dataset->name(i).starts_with(fmt::format("{}/", dataset->label(i)))) << dataset->name(i);
  }
  fs::create_directory(dir_ / "images" / "2b");
  fs::copy(dir_ / "images" / "2", dir_ / "images" / "2b", fs::copy_options::recursive);
  pack(options(source, "names"));
  EXPECT_EQ(open_dataset((dir_ / "names").string())->class_id(2), "10") << "one name that is no number";
}

TEST_F(Pack, SameBytesForAnyThreadsAndRanksAndOnRepetition) {
  const std::string source = make_folder("images", 5, 8);
  pack(options(source, "one", 5000));
  const auto expected = contents("one");
  EXPECT_GT(expected.size(), 6U);

  EXPECT_TRUE(pack(options(source, "one", 5000)).already_complete);
  EXPECT_EQ(contents("one"), expected);

  PackOptions threads = options(source, "threads", 5000);
  threads.threads = 3;
  pack(threads);
  EXPECT_EQ(contents("threads"), expected);

  // Ranks one after another: rank 0 comes last, as if it had waited for the others at the barrier.
  for (int rank = 2; rank >= 0; --rank) pack(options(source, "ranks", 5000), {rank, 3});
  EXPECT_EQ(contents("ranks"), expected);
}

TEST_F(Pack, LargeBlobsAreAlignedAndSmallOnesAreNot) {
  std::string big = fixture_image("jpeg_420");
  big.resize(700'000, 'x');
  for (const char* name : {"a", "b", "c", "d", "e"}) put(std::string("images/x/") + name, big);
  pack(options("folder:" + (dir_ / "images").string(), "pack"));
  const Manifest m = read_manifest(dir_ / "pack");
  ASSERT_EQ(m.shards.size(), 1U);
  EXPECT_EQ(m.shards[0].blob.address, 1U << 20);
  EXPECT_EQ(m.shards[0].blob.bytes, 3'500'000U);
  EXPECT_TRUE(verify_pack(dir_ / "pack", {2, true, false}).problems.empty());
  EXPECT_EQ(pixels_of(open_dataset((dir_ / "pack").string())->read(3)).width, 45);

  pack(options(make_folder("small", 1, 2), "small_pack"));
  EXPECT_LT(fs::file_size(dir_ / "small_pack/shard-00000-of-00001.h5"), 10'000U);
}

TEST_F(Pack, BadImagesAreQuarantinedAndTheCountsAddUp) {
  const std::string source = make_folder("images", 2, 5);
  const std::string jpeg = fixture_image("jpeg_444");
  put("images/n00000000/cut.JPEG", jpeg.substr(0, jpeg.size() / 2));
  put("images/n00000001/empty.JPEG", "");
  put("images/n00000001/readme.txt", "hello");
  put("images/n00000001/deeper/ok.JPEG", jpeg);
  put("images/stray.JPEG", jpeg);
  put("images/.hidden/a.JPEG", jpeg);
  put("images/n00000001/.thumbnails/a.JPEG", jpeg);
  fs::create_symlink("nowhere", dir_ / "images/n00000000/link.JPEG");
  const PackReport report = pack(options(source, "pack", 4000));
  EXPECT_EQ(report.images, 11U);
  EXPECT_EQ(report.quarantined, 7U);
  const Manifest m = read_manifest(dir_ / "pack");
  EXPECT_EQ(m.source_images, 18U);
  EXPECT_EQ(m.classes.size(), 2U);
  EXPECT_EQ(m.classes[1].wnid, "n00000001");
  const std::string list = read_text(dir_ / "pack/quarantine.jsonl");
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 7);
  EXPECT_THAT(
      list,
      HasSubstr(
          R"({"key":"n00000001/.thumbnails/a.JPEG","reason":"hidden: a name that begins with a dot"})"));
  EXPECT_THAT(list, HasSubstr(R"({"key":"n00000000/cut.JPEG","reason":"JPEG: Premature end of JPEG file"})"));
  EXPECT_THAT(list, HasSubstr(R"({"key":"n00000001/empty.JPEG","reason":"empty image file"})"));
  EXPECT_THAT(list, HasSubstr(R"({"key":"n00000000/link.JPEG","reason":"not a file"})"));
  EXPECT_THAT(list, HasSubstr(R"({"key":"stray.JPEG","reason":"not in the folder of a class"})"));
  EXPECT_THAT(list, HasSubstr(R"({"key":".hidden","reason":"not in the folder of a class"})"));
  EXPECT_TRUE(verify_pack(dir_ / "pack", {1, true, false}).problems.empty());
}

TEST_F(Pack, AnotherSourceOrOptionIsRefused) {
  const std::string source = make_folder("images", 2, 4), other = make_folder("other", 2, 5);
  pack(options(source, "pack"));
  const auto before = contents("pack");
  PackOptions split = options(source, "pack");
  split.split = "val";
  PackOptions reencode = options(source, "pack");
  reencode.reencode = Reencode{24, 80};
  const std::pair<PackOptions, std::string> others[] = {
      {options(other, "pack"),
       "--source was " + source + ", is " + other + "; the number of files was 8, is 10"},
      {split, "--split was train, is val"},
      {reencode, "--reencode was none, is 24,80"},
      {options(source, "pack", 1000), "the number of shards (--shard-mib) was 1, is "}};
  for (const auto& [o, difference] : others) {
    const Error e = error_of([&, &o = o] { pack(o); });
    EXPECT_EQ(e.code(), ExitCode::refused);
    EXPECT_THAT(e.what(), HasSubstr(fmt::format("holds a pack of {}, but {}", source, difference)));
  }
  put("images/n00000000/n00000000_0.JPEG", fixture_image("jpeg_1x1"));
  EXPECT_THAT(error_of([&] { pack(options(source, "pack")); }).what(),
              HasSubstr("but names or sizes of the source's files have changed"));
  EXPECT_EQ(contents("pack"), before);

  put("notes/thesis.txt", "precious");
  const Error e = error_of([&] { pack(options(source, "notes")); });
  EXPECT_EQ(e.code(), ExitCode::refused);
  EXPECT_THAT(e.what(), HasSubstr("holds thesis.txt, which is no part of a pack"));
}

TEST_F(Pack, APackInsideItsSourceIsRefused) {
  const Error e = error_of([&] { pack(options(make_folder("images", 2, 4), "images/pack")); });
  EXPECT_EQ(e.code(), ExitCode::refused);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "images/pack"));
}

TEST_F(Pack, SourcesThatCannotBe) {
  fs::create_directories(dir_ / "empty");
  const auto code = [&](const std::string& source) {
    return error_of([&] { pack(options(source, "pack")); }).code();
  };
  EXPECT_EQ(code("tar:x"), ExitCode::usage);
  EXPECT_EQ(code("idx:only-one"), ExitCode::usage);
  EXPECT_EQ(code("folder:" + (dir_ / "missing").string()), ExitCode::io);
  EXPECT_EQ(code("folder:" + (dir_ / "empty").string()), ExitCode::bad_data);
  put("text/class/a.txt", "no image");
  EXPECT_EQ(code("folder:" + (dir_ / "text").string()), ExitCode::bad_data);
  put("latin1/caf\xe9/a.JPEG", fixture_image("jpeg_1x1"));
  EXPECT_THAT(error_of([&] { pack(options("folder:" + (dir_ / "latin1").string(), "p")); }).what(),
              HasSubstr("caf\\xe9: the name is not UTF-8"));
  EXPECT_FALSE(fs::exists(dir_ / "pack/manifest.json"));
  const PackOptions unwritable = options(make_folder("images", 1, 1), "file/pack");
  put("file", "not a folder");
  EXPECT_EQ(error_of([&] { pack(unwritable); }).code(), ExitCode::io);
  const Error file = error_of([&] { pack(options(make_folder("images", 1, 1), "file")); });
  EXPECT_EQ(file.code(), ExitCode::refused);
  EXPECT_THAT(file.what(), HasSubstr("--output " + (dir_ / "file").string() + ": this is a file"));
}

TEST_F(Pack, FinishedShardsAreKeptAndDamagedOnesPackedAgain) {
  const std::string source = make_folder("images", 4, 6);
  pack(options(source, "whole", 4000));
  const auto expected = contents("whole");
  struct Stop {};
  const PackRanks interrupted{0, 1, [] { throw Stop(); }};  // every shard is done, the manifest is not
  EXPECT_THROW(pack(options(source, "pack", 4000), interrupted), Stop);
  EXPECT_FALSE(fs::exists(dir_ / "pack/manifest.json"));
  const auto shards = read_manifest(dir_ / "whole").shards;
  ASSERT_GT(shards.size(), 4U);
  fs::resize_file(dir_ / "pack" / shards[0].file.name, 100);
  fs::remove(dir_ / "pack" / shards[1].file.name);
  put(fs::path("pack/unfinished") / (shards[2].file.name + ".json"), "{damaged");
  put("pack/shard-00003.h5.tmp", "left behind");
  const PackReport report = pack(options(source, "pack", 4000));
  EXPECT_EQ(report.shards_kept, shards.size() - 3);
  EXPECT_EQ(contents("pack"), expected);

  // Shards that an interrupted run of another source left are not kept.
  const std::string other = make_folder("other", 4, 7);
  EXPECT_THROW(pack(options(source, "mixed", 4000), interrupted), Stop);
  EXPECT_EQ(pack(options(other, "mixed", 4000)).shards_kept, 0U);
  pack(options(other, "clean", 4000));
  EXPECT_EQ(contents("mixed"), contents("clean"));
}

TEST_F(Pack, KilledAtAnyMomentTheSameCommandCompletesIt) {
  const std::string source = make_folder("images", 6, 10);
  PackOptions o = options(source, "whole", 3000);
  pack(o);
  const auto expected = contents("whole");
  o.threads = 2;
  int kills = 0;
  for (int round = 0; round < 6; ++round) {
    o.output = dir_ / fmt::format("killed{}", round);
    kills += kill_while_packing(o, 300 + 400 * round);
    pack(o);
    EXPECT_EQ(contents(o.output.filename().string()), expected) << "round " << round;
  }
  EXPECT_GE(kills, 6);
}

TEST_F(Pack, ACompletePackWithAMissingShardIsAnError) {
  const std::string source = make_folder("images", 2, 4);
  pack(options(source, "pack"));
  fs::remove(dir_ / "pack/shard-00000-of-00001.h5");
  const Error e = error_of([&] { pack(options(source, "pack")); });
  EXPECT_EQ(e.code(), ExitCode::bad_data);
  EXPECT_THAT(e.what(), HasSubstr("shard-00000-of-00001.h5: missing"));
}

TEST_F(Pack, InfoCountsClassesAndRecords) {
  make_folder("images", 3, 4);
  put("images/n00000002/more.JPEG", fixture_image("jpeg_1x1"));
  pack(options("folder:" + (dir_ / "images").string(), "pack", 5000));
  const PackInfo info = pack_info(dir_ / "pack");
  EXPECT_EQ(info.manifest.images, 13U);
  EXPECT_EQ(info.class_images_min, 4U);
  EXPECT_EQ(info.class_images_max, 5U);
  EXPECT_EQ(info.class_images, (std::vector<std::uint64_t>{4, 4, 5}));
  EXPECT_EQ(info.record_bytes_min, fixture_image("jpeg_1x1").size());
  EXPECT_EQ(info.record_bytes_max, fixture_image("jpeg_420").size() + 8);
  EXPECT_THAT(to_text(info), HasSubstr("classes      3 of 4 to 5 images"));
  EXPECT_THAT(to_json(info), HasSubstr("\"images\": 13"));
  EXPECT_THAT(to_json(info), HasSubstr("\"wnid\": \"n00000002\",\n   \"images\": 5"));
}

}  // namespace
}  // namespace vitrail::datasets
