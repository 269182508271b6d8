#include "datasets/pack_dataset.hpp"

#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <zlib.h>

#include "datasets/archives/idx_file.hpp"
#include "datasets/augment/transform.hpp"
#include "datasets/pack/pack_index.hpp"
#include "datasets/pack/shard_reader.hpp"
#include "tests/unit/datasets/pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

std::string be32(std::uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8),
          static_cast<char>(v)};
}

class PackDatasetTest : public PackTest {
 protected:
  // Five 3 x 2 images with pixel = 50 * image + position, labels 0 2 1 0 2.
  std::string make_idx() const {
    std::string images = std::string("\0\0\x08\x03", 4) + be32(5) + be32(3) + be32(2);
    for (int i = 0; i < 30; ++i) images += static_cast<char>(50 * (i / 6) + i % 6);
    put("images", images);
    put("labels", std::string("\0\0\x08\x01", 4) + be32(5) + std::string("\0\2\1\0\2", 5));
    return "idx:" + (dir_ / "images").string() + "," + (dir_ / "labels").string();
  }
  std::string gzip(const std::string& name) const {
    std::string path = (dir_ / (name + ".gz")).string();
    const std::string bytes = read_text(dir_ / name);
    gzFile file = gzopen(path.c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return path;
  }
};

TEST_F(PackDatasetTest, IdxPixelsComeBackAsRgb) {
  pack(options(make_idx(), "pack", 10));
  const auto dataset = open_dataset((dir_ / "pack").string());
  ASSERT_EQ(dataset->size(), 5);
  EXPECT_EQ(dataset->classes(), 3);
  EXPECT_EQ(dataset->class_name(2), "2");
  EXPECT_FALSE(dataset->tensor_image_size().has_value());
  std::map<int, std::int64_t> label_of_first_pixel;
  for (std::int64_t i = 0; i < 5; ++i) {
    const Image image = pixels_of(dataset->read(i));
    ASSERT_EQ(image.width, 2);
    ASSERT_EQ(image.height, 3);
    for (int p = 0; p < 18; ++p) EXPECT_EQ(image.rgb[static_cast<std::size_t>(p)], image.rgb[0] + p / 3);
    label_of_first_pixel[image.rgb[0]] = dataset->label(i);
  }
  EXPECT_EQ(label_of_first_pixel,
            (std::map<int, std::int64_t>{{0, 0}, {50, 2}, {100, 1}, {150, 0}, {200, 2}}));
  EXPECT_THROW(dataset->read(5), std::out_of_range);
  EXPECT_THROW(dataset->label(-1), std::out_of_range);
}

TEST_F(PackDatasetTest, GzipAndPlainIdxAreTheSamePack) {
  const std::string plain = make_idx();
  pack(options(plain, "plain"));
  pack(options("idx:" + gzip("images") + "," + gzip("labels"), "gzip"));
  EXPECT_EQ(read_text(dir_ / "plain/shard-00000-of-00001.h5"),
            read_text(dir_ / "gzip/shard-00000-of-00001.h5"));
  EXPECT_EQ(open_pack_dataset(dir_ / "plain")->fingerprint(),
            open_pack_dataset(dir_ / "gzip")->fingerprint());
  EXPECT_TRUE(pack(options(plain, "gzip")).already_complete);
}

TEST_F(PackDatasetTest, FingerprintTellsContentApart) {
  pack(options(make_folder("a", 2, 3), "a_pack"));
  pack(options(make_folder("b", 2, 3), "b_pack"));
  put("c/x/1.JPEG", fixture_image("jpeg_1x1"));
  make_folder("c", 2, 3);
  pack(options("folder:" + (dir_ / "c").string(), "c_pack"));
  const auto print = [&](const char* name) { return open_pack_dataset(dir_ / name)->fingerprint(); };
  EXPECT_EQ(print("a_pack"), print("b_pack"));
  EXPECT_NE(print("a_pack"), print("c_pack"));
  EXPECT_EQ(print("a_pack").size(), 32U);
}

TEST_F(PackDatasetTest, IdxFilesThatLie) {
  const std::string source = make_idx(), images = read_text(dir_ / "images"),
                    labels = read_text(dir_ / "labels");
  const auto message = [&](const std::string& i, const std::string& l) -> std::string {
    put("images", i);
    put("labels", l);
    const Error e = error_of([&] { pack(options(source, "pack")); });
    EXPECT_EQ(e.code(), ExitCode::bad_data);
    return e.what();
  };
  const std::string head("\0\0\x08\x03", 4);
  EXPECT_THAT(message(images.substr(0, 40), labels),
              HasSubstr("the header says 5 x 3 x 2 but 24 bytes follow"));
  EXPECT_THAT(message(images + "x", labels), HasSubstr("but 31 bytes follow"));
  EXPECT_THAT(message(head + be32(~0U) + be32(~0U) + be32(~0U), labels), HasSubstr("but 0 bytes follow"));
  EXPECT_THAT(message(head + be32(0) + be32(28) + be32(28), labels), HasSubstr("says 0 x 28 x 28"));
  EXPECT_THAT(message("", labels), HasSubstr("not an IDX file"));
  EXPECT_THAT(message(labels, images), HasSubstr("not an IDX file of unsigned bytes with 3 dimension"));
  EXPECT_THAT(message(images, std::string("\0\0\x08\x01", 4) + be32(4) + "abcd"), HasSubstr("5 images but"));
  put("images", images);
  const std::string zipped = read_text(gzip("images"));
  EXPECT_THAT(message(zipped.substr(0, zipped.size() - 6), labels), HasSubstr("not whole"));
}

TEST_F(PackDatasetTest, ManyThreadsAndFewOpenFilesReadTheSame) {
  pack(options(make_folder("images", 4, 10), "pack", 3000));
  const PackIndex index(dir_ / "pack");
  ASSERT_GT(index.manifest().shards.size(), 5U);
  const ShardReader reference(index), two_files(index, 2);
  std::vector<Bytes> expected;
  for (std::uint64_t i = 0; i < 40; ++i) expected.push_back(reference.record(i));
  std::atomic<int> equal = 0;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < 400; ++i) {
          const std::uint64_t image = (i * 7 + t * 11) % 40;
          equal += two_files.record(image) == expected[image] ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(equal, 1600);
  EXPECT_LE(two_files.open_files(), 2U);
}

// What one rank has looked at, the others do not touch; what is wrong all the same is said when it is met.
TEST_F(PackDatasetTest, AMissingShardIsFoundAtOnceOrWhenItIsRead) {
  pack(options(make_folder("images", 4, 10), "pack", 3000));
  const std::string path = (dir_ / "pack").string();
  const PackIndex index(path);
  const std::string name = index.manifest().shards[1].file.name;
  const std::int64_t inside = static_cast<std::int64_t>(index.first_image(1));
  const std::string bytes = read_text(dir_ / "pack" / name);
  fs::remove(dir_ / "pack" / name);
  EXPECT_THAT(error_of([&] { open_dataset(path); }).what(), HasSubstr(name));
  const auto dataset = open_dataset(path, {.check_shards = false});
  EXPECT_NO_THROW(dataset->read(0));
  const Error missing = error_of([&] { dataset->read(inside); });
  EXPECT_EQ(missing.code(), ExitCode::bad_data);
  EXPECT_THAT(missing.what(), HasSubstr(name));
  put("pack/" + name, bytes);
  EXPECT_NO_THROW(dataset->read(inside));
  fs::resize_file(dir_ / "pack" / name, 100);  // while it is open
  const Error cut = error_of([&] { dataset->read(inside); });
  EXPECT_EQ(cut.code(), ExitCode::bad_data);
  EXPECT_THAT(cut.what(), HasSubstr("truncated"));
}

TEST_F(PackDatasetTest, TheIndexIsHashedWhereAsked) {
  pack(options(make_folder("images", 4, 10), "pack", 3000));
  const fs::path path = dir_ / "pack";
  const auto manifest = read_manifest(path);
  std::string bytes = read_text(path / kIndexFile);
  bytes[manifest.index.crc32c.address] ^= 1;
  put(path / kIndexFile, bytes);
  EXPECT_THAT(error_of([&] { open_dataset(path.string()); }).what(), HasSubstr("damaged"));
  EXPECT_NO_THROW(open_dataset(path.string(), {.check_index = false}));
}

TEST_F(PackDatasetTest, NeighboursAreReadAtOnce) {
  pack(options(make_folder("images", 4, 10), "pack", 3000));
  const auto dataset = open_dataset((dir_ / "pack").string());
  const auto extent = dataset->read_extent(3, 30);
  const PackIndex index(dir_ / "pack");
  std::set<std::uint64_t> shards;
  for (std::uint64_t i = 3; i < 33; ++i) shards.insert(index.place(i).shard);
  EXPECT_EQ(dataset->read_count().calls, shards.size());
  for (std::int64_t i = 3; i < 33; ++i) EXPECT_EQ(extent->read(i).encoded, dataset->read(i).encoded) << i;
}

}  // namespace
}  // namespace vitrail::datasets
