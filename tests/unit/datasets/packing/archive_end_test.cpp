// What cuts an archive is found wherever it cuts; what whole archives of every tool end with is not taken for
// it. The archives are those of the system's tar and gzip, and of Python's tarfile.
#include <cstdlib>

#include <gmock/gmock.h>

#include "datasets/archives/archive_reader.hpp"
#include "datasets/archives/tar_end.hpp"
#include "tests/archives/archives.hpp"
#include "tests/unit/datasets/packing/archive_pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ArchiveEndTest : public ArchivePackTest {
 protected:
  void run(const std::string& command) const {
    ASSERT_EQ(std::system(fmt::format("cd {} && {}", dir_.string(), command).c_str()), 0) << command;
  }

  std::string bytes_of(const std::string& name) const { return read_text(dir_ / name); }

  // How many members, listed in place and read as a stream: what the one refuses, the other refuses likewise.
  std::size_t members(const std::string& name, std::size_t piece = 1000) const {
    const File file(dir_ / name, File::Mode::read);
    std::size_t streamed = 0;
    std::string refused;
    try {
      FileRange range(file, 0, file.size());
      const Compression compression = compression_of(dir_ / name);
      const auto plain = is_stream(compression) ? decompress(range, compression, name) : nullptr;
      ArchiveReader reader(plain ? *plain : range, name, piece);
      while (const auto member = reader.next()) {
        if (member->is_file) reader.read_all(1 << 20);
        ++streamed;
      }
      if (plain) return streamed;
    } catch (const Error& error) {
      if (is_stream(compression_of(dir_ / name))) throw;
      refused = error.what();
    }
    const std::size_t listed = list_tar(file, 0, file.size(), name).size();
    EXPECT_EQ(refused, "") << "only the stream is refused";
    EXPECT_EQ(streamed, listed);
    return listed;
  }

  std::string refusal(const std::string& name) const {
    const Error error = error_of([&] { members(name); });
    EXPECT_EQ(error.code(), ExitCode::bad_data) << name;
    EXPECT_THAT(error.what(), HasSubstr(name));
    return error.what();
  }

  void put_three_files() const {
    put("f/a", std::string(700, 'a'));
    put("f/b", std::string(512, 'b'));
    put("f/c", "c");
  }
};

TEST_F(ArchiveEndTest, WholeArchivesOfEveryToolAreTaken) {
  put_three_files();
  for (const char* format : {"gnu", "posix", "ustar", "oldgnu", "v7"}) {
    for (const int blocking : {1, 2, 20}) {
      run(fmt::format("tar -C f --format={} -b {} -cf t.tar a b c", format, blocking));
      for (const std::size_t piece : {512, 1000, 4096, 1 << 20}) EXPECT_EQ(members("t.tar", piece), 3U);
    }
  }
  run("python3 -c \"import tarfile; t = tarfile.open('python.tar', 'w'); t.add('f/a'); t.add('f/b'); "
      "t.close()\"");
  EXPECT_EQ(members("python.tar"), 2U);
  run("mkdir g && ln -s a g/l && mkdir -p g/d/e && tar -cf last.tar f g");  // folders and links at the end
  EXPECT_EQ(members("last.tar"), 4U);
  run("truncate -s 100000 h && echo x >> h && tar -S -cf holes.tar f/a h && ln f/a f/z && tar -cf linked.tar "
      "f");
  EXPECT_EQ(members("holes.tar"), 2U);
  EXPECT_EQ(members("linked.tar"), 4U);
  run("tar -cf empty.tar -T /dev/null");
  EXPECT_EQ(members("empty.tar"), 0U);
}

// Members fill records differently: for every length of the last one, the zeros behind it are within bounds.
TEST_F(ArchiveEndTest, EveryPaddingOfARecordIsTaken) {
  for (std::size_t blocks = 0; blocks < 22; ++blocks) {
    put("x", std::string(blocks * 512, 'x'));
    run("tar -cf x.tar x");
    EXPECT_EQ(members("x.tar"), 1U) << blocks;
  }
}

TEST_F(ArchiveEndTest, EveryCutIsRefusedWithTheByteWhereItStops) {
  put_three_files();
  run("tar -C f -b 1 -cf whole.tar a b c");
  const std::string whole = bytes_of("whole.tar");
  ASSERT_EQ(whole.size(), 512U * (3 + 2 + 2 + 2));  // heads and bodies, then the end mark
  for (std::size_t size = 0; size < whole.size(); size += 64) {
    put("cut.tar", whole.substr(0, size));
    refusal("cut.tar");
  }
  EXPECT_EQ(members("whole.tar"), 3U);
  put("cut.tar", whole.substr(0, 1536));
  EXPECT_THAT(refusal("cut.tar"),
              HasSubstr("incomplete: it stops at byte 1536, after a, without the two blocks"));
  put("cut.tar", whole.substr(0, whole.size() - 512));
  EXPECT_THAT(refusal("cut.tar"), HasSubstr("incomplete: it stops at byte 3584, after c, without"));
}

TEST_F(ArchiveEndTest, APreallocatedTailAndASecondArchiveAreRefused) {
  put_three_files();
  run("tar -C f -cf whole.tar a b c");
  const std::string whole = bytes_of("whole.tar");
  put("tail.tar", whole.substr(0, 1536) + std::string(100'000, '\0'));
  EXPECT_THAT(refusal("tail.tar"), HasSubstr("incomplete: from byte 1536, after a, there are only zeros"));
  const Error tail = error_of([&] { members("tail.tar"); });
  EXPECT_THAT(tail.hint(), AllOf(HasSubstr("is the download complete?"), HasSubstr("truncate -s 2560")));
  put("most.tar", whole.substr(0, 3584) + std::string(kTarMostZeros, '\0'));
  EXPECT_EQ(members("most.tar"), 3U);
  put("more.tar", whole.substr(0, 3584) + std::string(kTarMostZeros + 1, '\0'));
  EXPECT_THAT(refusal("more.tar"), HasSubstr("there are only zeros"));
  put("two.tar", whole + whole);
  EXPECT_THAT(refusal("two.tar"), HasSubstr("stops at byte 3584, but more follows from byte 10240 on"));
  put("junk.tar", whole + "<html>");
  EXPECT_THAT(refusal("junk.tar"), HasSubstr("more follows from byte 10240 on"));
}

TEST_F(ArchiveEndTest, CompressedArchivesAreHeldToTheirEndsToo) {
  put_three_files();
  run("head -c 200000 /dev/urandom > f/noise && tar -C f -cf whole.tar a b noise c");
  for (const char* program : {"gzip", "bzip2", "xz", "zstd"}) {
    if (std::system(fmt::format("command -v {} > /dev/null", program).c_str()) != 0) continue;
    run(fmt::format("{} -c whole.tar > p", program));
    EXPECT_EQ(members("p"), 4U) << program;
    const std::string packed = bytes_of("p");
    for (const std::size_t size :
         {packed.size() - 1, packed.size() - 4, packed.size() / 2, std::size_t{40}}) {
      put("cut", packed.substr(0, size));
      refusal("cut");
    }
    put("junk", packed + "<html>");
    if (std::string(program) != "bzip2") refusal("junk");  // there libarchive does not look
    run(fmt::format("head -c 1536 whole.tar | {} -c > short", program));
    EXPECT_THAT(refusal("short"), HasSubstr("incomplete: it stops at byte 1536, after a")) << program;
  }
  run("gzip -c whole.tar > w.gz && head -c 9000 whole.tar | gzip > 1.gz && tail -c +9001 whole.tar | gzip > "
      "2.gz && "
      "cat 1.gz 2.gz > both.gz && head -c 3000 w.gz > cut.gz");
  EXPECT_EQ(members("both.gz"), 4U);  // several gzip members are one stream
  EXPECT_THAT(refusal("cut.gz"), HasSubstr("incomplete: the gzip stream stops at byte 3000"));
  std::string flipped = bytes_of("w.gz");
  flipped[flipped.size() - 6] ^= 1;  // its checksum
  put("flipped.gz", flipped);
  EXPECT_THAT(refusal("flipped.gz"), HasSubstr("damaged gzip stream at byte"));
  put("zeros.gz", bytes_of("w.gz") + std::string(5'000, '\0'));
  EXPECT_EQ(members("zeros.gz"), 4U);
  put("tail.gz", bytes_of("w.gz") + std::string(50'000, '\0'));
  EXPECT_THAT(refusal("tail.gz"), HasSubstr("gzip stream ends at byte"));
}

TEST_F(ArchiveEndTest, PackRefusesWhatIsIncompleteInEveryPlace) {
  const auto tree = tests::make_tree({.classes = 3, .each = 4, .awkward = false});
  const std::string inner = tests::class_tar(tree[1]);
  const std::size_t first = 512 + (tree[1].files[0].bytes.size() + 511) / 512 * 512;
  const auto outer = [&](const std::string& name, const std::string& middle,
                         tests::TarFile::Packing packing) {
    tests::TarFile tar(path(name), packing);
    tar.add(tree[0].wnid + ".tar", tests::class_tar(tree[0]));
    tar.add(tree[1].wnid + ".tar", middle);
  };
  const auto refused = [&](const std::string& source, const std::string& what) {
    PackOptions o = options(source, "pack");
    if (source.starts_with("imagenet-21k")) o.validation = "hash:0";
    const Error error = error_of([&] { pack(o); });
    EXPECT_EQ(error.code(), ExitCode::bad_data) << source;
    EXPECT_THAT(error.what(), HasSubstr(what));
    EXPECT_FALSE(fs::exists(dir_ / "pack/manifest.json"));
    fs::remove_all(dir_ / "pack");
  };
  const std::string where = fmt::format("{}.tar: incomplete: it stops at byte {}", tree[1].wnid, first);
  outer("inner.tar", inner.substr(0, first), tests::TarFile::Packing::plain);
  refused("imagenet-train:" + path("inner.tar"), where);
  refused("imagenet-21k:" + path("inner.tar"), where);
  outer("inner.tar.gz", inner.substr(0, first), tests::TarFile::Packing::gzip);
  refused("imagenet-21k:" + path("inner.tar.gz"), where);
  put("tars/" + tree[1].wnid + ".tar", inner.substr(0, first) + std::string(200'000, '\0'));
  refused("imagenet-21k:" + path("tars"), "there are only zeros");
  outer("whole.tar", inner, tests::TarFile::Packing::plain);
  const std::string whole = bytes_of("whole.tar");
  put("outer.tar", whole.substr(0, 512 + tests::class_tar(tree[0]).size()));
  refused("imagenet-train:" + path("outer.tar"), "outer.tar: incomplete: it stops at byte");
  const auto validation = tests::write_validation(tree, path("val.tar"));
  tests::write_devkit(tree, validation, path("kit.tar.gz"));
  run("gunzip -c kit.tar.gz > kit.tar && head -c -10240 kit.tar > k && gzip -c k > cut_kit.tar.gz");
  run("python3 -c \"d = open('val.tar', 'rb').read(); open('cut.tar', 'wb').write(d.rstrip(bytes(1)) + "
      "bytes(60000))\"");
  PackOptions o = options("imagenet-val:" + path("val.tar"), "pack");
  o.devkit = path("cut_kit.tar.gz");
  EXPECT_THAT(error_of([&] { pack(o); }).what(), HasSubstr("cut_kit.tar.gz: "));
  o.source = "imagenet-val:" + path("cut.tar");
  o.devkit = path("kit.tar.gz");
  EXPECT_THAT(error_of([&] { pack(o); }).what(), HasSubstr("cut.tar: incomplete: from byte"));
}

TEST_F(ArchiveEndTest, CompressedClassesAndOtherArchivesAreNamed) {
  const auto tree = tests::make_tree({.classes = 2, .each = 2, .awkward = false});
  tests::write_folder_of_tars(tree, path("tars"));
  tests::write_tar_of_tars(tree, path("a.tar"), tests::TarFile::Packing::plain);
  run(fmt::format("gzip tars/{}.tar && xz -k a.tar && cp a.tar.xz b.tar && python3 -m zipfile -c a.zip a.tar",
                  tree[0].wnid));
  const auto error = [&](const std::string& source) {
    return error_of([&] { pack(options(source, "pack")); });
  };
  const Error classes = error("imagenet-train:" + path("tars"));
  EXPECT_THAT(classes.what(),
              HasSubstr(tree[0].wnid + ".tar.gz: the archive of a class is compressed (gzip)"));
  EXPECT_THAT(classes.hint(), HasSubstr("gunzip"));
  const Error zip = error("imagenet-train:" + path("a.zip"));
  EXPECT_THAT(zip.what(), HasSubstr("a.zip: a ZIP archive, not a tar"));
  EXPECT_THAT(zip.hint(), HasSubstr("unzip"));
  for (const char* name : {"a.tar.xz", "b.tar"}) {  // whatever it is called
    pack(options("imagenet-train:" + path(name), std::string("pack_") + name));
    EXPECT_EQ(records(std::string("pack_") + name).size(), 4U);
  }
}

}  // namespace
}  // namespace vitrail::datasets
