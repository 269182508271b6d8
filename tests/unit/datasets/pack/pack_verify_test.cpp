#include "datasets/pack/pack_verify.hpp"

#include <functional>

#include <gmock/gmock.h>

#include "datasets/codec/codec.hpp"
#include "datasets/dataset.hpp"
#include "datasets/pack/hdf5_handles.hpp"
#include "datasets/pack/pack_format.hpp"
#include "tests/unit/datasets/pack_fixture.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class PackVerify : public PackTest {
 protected:
  // Images of four pixels: a pack small enough to damage at every byte.
  void make_tiny_pack(const std::string& output, int first = 0) const {
    for (int i = 0; i < 6; ++i) {
      const Image image{2, 2, std::vector<std::uint8_t>(12, static_cast<std::uint8_t>(first + 40 * i))};
      const auto png = encode_png(image);
      put(fmt::format("{}_images/{}/{}.png", output, i % 2 == 0 ? "cat" : "dog", i),
          {reinterpret_cast<const char*>(png.data()), png.size()});
    }
    put(output + "_images/cat/broken.png", "broken");
    pack(options("folder:" + (dir_ / (output + "_images")).string(), output, 250));
  }

  std::vector<Problem> problems(const std::string& output) const {
    return verify_pack(dir_ / output, {1, true, false}).problems;
  }

  std::string problems_text(const std::string& output) const {
    std::string text;
    for (const Problem& p : problems(output)) text += p.text() + "\n";
    return text;
  }

  void edit_manifest(const std::string& output, const std::function<void(Manifest&)>& edit) const {
    Manifest m = read_manifest(dir_ / output);
    edit(m);
    write_text_atomically(dir_ / output / kManifestFile, to_text(m));
  }

  ExitCode open_code(const std::string& output) const {
    return error_of([&] { open_dataset((dir_ / output).string()); }).code();
  }
};

TEST_F(PackVerify, AGoodPackHasNoProblems) {
  make_tiny_pack("pack");
  const VerifyReport report = verify_pack(dir_ / "pack", {2, true, false});
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.images, 6U);
  EXPECT_GT(report.shards, 1U);
}

TEST_F(PackVerify, FindsAFlippedByteAnywhere) {
  make_tiny_pack("pack");
  const Manifest m = read_manifest(dir_ / "pack");
  std::size_t bytes = 0, in_records = 0;
  for (const auto& [name, good] : contents("pack")) {
    const ShardEntry* shard = nullptr;
    for (const ShardEntry& s : m.shards) {
      if (s.file.name == name) shard = &s;
    }
    // In place: a file that is truncated and written again is flushed to disk by some file systems, 8,000
    // times.
    std::fstream file(dir_ / "pack" / name, std::ios::in | std::ios::out | std::ios::binary);
    const auto set = [&](std::size_t at, char value) {
      file.seekp(static_cast<std::streamoff>(at)).put(value).flush();
      ASSERT_TRUE(file.good());
    };
    for (std::size_t i = 0; i < good.size(); ++i, ++bytes) {
      set(i, static_cast<char>(good[i] ^ (1 << (i % 8))));
      const auto found = problems("pack");
      ASSERT_FALSE(found.empty()) << name << " byte " << i;
      EXPECT_EQ(found.front().file, name) << "byte " << i;
      const bool in_record =
          shard != nullptr && i >= shard->blob.address && i < shard->blob.address + shard->blob.bytes;
      in_records += in_record ? 1 : 0;
      EXPECT_EQ(found.back().record.has_value(), in_record)
          << name << " byte " << i << ": " << found.back().text();
      set(i, good[i]);
    }
  }
  EXPECT_THAT(problems("pack"), IsEmpty());
  EXPECT_GT(bytes, 8'000U);
  EXPECT_GT(in_records, 300U);
}

TEST_F(PackVerify, NamesShardRecordAndKey) {
  make_tiny_pack("pack");
  const ShardEntry shard = read_manifest(dir_ / "pack").shards.at(0);
  std::string bytes = read_text(dir_ / "pack" / shard.file.name);
  bytes[shard.blob.address + shard.blob.bytes - 1] ^= 1;
  put(fs::path("pack") / shard.file.name, bytes);
  const auto found = problems("pack");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].file, shard.file.name);
  EXPECT_EQ(found[1].record, shard.images - 1);
  EXPECT_TRUE(fs::exists(dir_ / "pack_images" / found[1].key)) << found[1].key;

  // Training finds it too, when it reads the record.
  const auto dataset = open_dataset((dir_ / "pack").string());
  const Error e = error_of([&] { dataset->read(static_cast<std::int64_t>(shard.images) - 1); });
  EXPECT_EQ(e.code(), ExitCode::bad_data);
  EXPECT_THAT(e.what(),
              HasSubstr(fmt::format("{}: record {} ({})", shard.file.name, shard.images - 1, found[1].key)));
  EXPECT_THAT(e.hint(), HasSubstr("vitrail verify"));
}

TEST_F(PackVerify, MissingTruncatedGarbageAndForeignShards) {
  make_tiny_pack("pack");
  make_tiny_pack("other", 7);  // the same names and sizes, other pixels
  const std::string name = read_manifest(dir_ / "pack").shards.at(1).file.name;
  const fs::path path = dir_ / "pack" / name;
  const std::string good = read_text(path), foreign = read_text(dir_ / "other" / name);
  ASSERT_NE(good, foreign);

  put(path, foreign);
  EXPECT_THAT(problems_text("pack"), HasSubstr(name + ": its hash is"));
  put(path, good.substr(0, good.size() - 1));
  EXPECT_THAT(problems_text("pack"),
              HasSubstr(fmt::format("{}: {} bytes, the manifest says", name, good.size() - 1)));
  EXPECT_EQ(open_code("pack"), ExitCode::bad_data);
  put(path, std::string(good.size(), '\x5a'));
  EXPECT_THAT(problems_text("pack"), HasSubstr("the record is damaged"));
  put(path, "");
  EXPECT_THAT(problems_text("pack"), HasSubstr(name + ": 0 bytes"));
  fs::remove(path);
  EXPECT_THAT(problems_text("pack"), HasSubstr(name + ": No such file"));
  EXPECT_EQ(open_code("pack"), ExitCode::bad_data);
}

TEST_F(PackVerify, AShardOfAnotherPackWithAFittingManifestIsFound) {
  make_tiny_pack("pack");
  make_tiny_pack("other", 7);
  const Manifest other = read_manifest(dir_ / "other");
  const std::string name = other.shards.at(0).file.name;
  fs::copy_file(dir_ / "other" / name, dir_ / "pack" / name, fs::copy_options::overwrite_existing);
  edit_manifest("pack", [&](Manifest& m) {
    m.shards[0] = other.shards[0];
    m.id.back() = m.id.back() == '0' ? '1' : '0';
  });
  EXPECT_THAT(problems_text("pack"), HasSubstr(name + ": it belongs to another pack"));
}

// Files that fit their hashes but not each other: only the comparison of the two views finds these.
TEST_F(PackVerify, ViewsThatDisagree) {
  make_tiny_pack("pack");
  const auto forge = [&](const std::string& name, std::uint64_t at, char difference) {
    std::string bytes = read_text(dir_ / "pack" / name);
    bytes[at] = static_cast<char>(bytes[at] ^ difference);
    put(fs::path("pack") / name, bytes);
    return bytes;
  };
  const Manifest m = read_manifest(dir_ / "pack");
  const std::string manifest = read_text(dir_ / "pack/manifest.json");
  const std::uint64_t label = m.index.label.address;
  const std::string index = forge(kIndexFile, label, 1);
  edit_manifest("pack", [&](Manifest& lie) {
    lie.index.file.hash = hash_text(index).hex();
    lie.index.label.hash = hash_text(index.substr(label, m.index.label.bytes)).hex();
  });
  EXPECT_THAT(problems_text("pack"), HasSubstr("/label is not what index.h5 says"));
  forge(kIndexFile, label, 1);
  put("pack/manifest.json", manifest);

  const std::string name = m.shards[0].file.name;
  const std::uint64_t size = H5File::open(dir_ / "pack" / name).array("size").address;
  const std::string shard = forge(name, size, 4);
  edit_manifest("pack", [&](Manifest& lie) { lie.shards[0].file.hash = hash_text(shard).hex(); });
  EXPECT_THAT(problems_text("pack"), HasSubstr("2 x 2 pixels, /size says 2 x 6"));
  EXPECT_THAT(verify_pack(dir_ / "pack", {1, false, false}).problems, IsEmpty());  // needs decoding
}

TEST_F(PackVerify, NotAPack) {
  fs::create_directories(dir_ / "pack");
  EXPECT_THAT(problems_text("pack"), HasSubstr("no manifest.json here"));
  EXPECT_EQ(open_code("pack"), ExitCode::bad_data);
  for (const char* text : {"", "{", "[]", "7", "\xff\xfe", "{\"format\":\"vitrail-pack\"}", "{\"format\":7}",
                           "{\"format\":\"vitrail-pack\",\"version\":2}"}) {
    put("pack/manifest.json", text);
    EXPECT_THAT(problems("pack"), testing::SizeIs(1)) << text;
    EXPECT_EQ(open_code("pack"), ExitCode::bad_data) << text;
  }
  put("pack/manifest.json", std::string(100'000, '['));
  EXPECT_EQ(open_code("pack"), ExitCode::bad_data);
  EXPECT_EQ(open_code("absent"), ExitCode::usage);
}

// Before its own hash fits, no member of a manifest is looked at; the file is named once.
TEST_F(PackVerify, AnEditedManifestIsNamedOnce) {
  make_tiny_pack("pack");
  const std::string good = read_text(dir_ / "pack/manifest.json");
  for (const char* member : {"version", "images", "split"}) {
    std::string edited = good;
    edited.replace(edited.find(std::string("\"") + member), 2, "\"X");
    put("pack/manifest.json", edited);
    EXPECT_EQ(problems_text("pack"),
              "manifest.json: its own hash does not fit: the file was edited or damaged\n");
  }
  fs::remove(dir_ / "pack/manifest.json");
  EXPECT_THAT(problems_text("pack"), testing::StartsWith("manifest.json: no manifest.json here"));
}

// Manifests that are whole by their own hash, and lie.
TEST_F(PackVerify, HostileManifests) {
  make_tiny_pack("pack");
  const std::string good = read_text(dir_ / "pack/manifest.json");
  const std::uint64_t huge = ~std::uint64_t{0};
  const std::vector<std::function<void(Manifest&)>> lies = {
      [&](Manifest& m) { m.images = huge; },
      [&](Manifest& m) { m.images = 0; },
      [&](Manifest& m) { m.quarantined = 0; },
      [&](Manifest& m) { m.source_images = huge; },
      [&](Manifest& m) { m.key_bytes = 0; },
      [&](Manifest& m) { m.key_bytes = huge; },
      [&](Manifest& m) { m.classes.clear(); },
      [&](Manifest& m) { m.shards.clear(); },
      [&](Manifest& m) { m.shards.pop_back(); },
      [&](Manifest& m) { m.shards[0].file.name = "../outside.h5"; },
      [&](Manifest& m) { m.shards[0].file.bytes = huge; },
      [&](Manifest& m) { m.shards[0].images = huge; },
      [&](Manifest& m) { m.shards[0].blob.address = huge; },
      [&](Manifest& m) { m.shards[0].blob.bytes = huge; },
      [&](Manifest& m) { m.shards[0].key.address = m.shards[0].file.bytes; },
      [&](Manifest& m) { m.index.file.name = "../../index.h5"; },
      [&](Manifest& m) { m.index.file.bytes = huge; },
      [&](Manifest& m) { m.index.file.bytes += 4096; },
      [&](Manifest& m) { m.index.offset.address = huge - 7; },
      [&](Manifest& m) { m.index.offset.address += 1; },
      [&](Manifest& m) { m.index.label.bytes = 8; },
      [&](Manifest& m) { m.index.label.address += 4; },
      [&](Manifest& m) { std::swap(m.index.label, m.index.crc32c); },
      [&](Manifest& m) { m.index.crc32c.hash = "not a hash"; },
      [&](Manifest& m) { m.quarantine.name = "manifest.json"; },
      [&](Manifest& m) { m.id = "../x"; },
  };
  for (std::size_t i = 0; i < lies.size(); ++i) {
    edit_manifest("pack", lies[i]);
    EXPECT_THAT(problems("pack"), testing::Not(IsEmpty())) << "lie " << i;
    const Error e = error_of([&] {
      const auto dataset = open_dataset((dir_ / "pack").string());
      // Labels that are no classes are found when they are read.
      for (std::int64_t image = 0; image < dataset->size(); ++image) dataset->label(image);
    });
    EXPECT_EQ(e.code(), ExitCode::bad_data) << "lie " << i;
    put("pack/manifest.json", good);
  }
  // An edit that leaves valid JSON but not the hash.
  std::string renamed = good;
  renamed.replace(renamed.find("\"cat\""), 5, "\"cow\"");
  put("pack/manifest.json", renamed);
  EXPECT_THAT(problems_text("pack"), HasSubstr("the file was edited or damaged"));
}

}  // namespace
}  // namespace vitrail::datasets
