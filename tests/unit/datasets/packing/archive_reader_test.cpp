// Archives written by the system's tar, in each of its formats.
#include "datasets/archives/archive_reader.hpp"

#include <cstdlib>

#include <gmock/gmock.h>

#include "tests/archives/archives.hpp"
#include "tests/unit/datasets/pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;

class ArchiveReaderTest : public PackTest {
 protected:
  void run(const std::string& command) const {
    ASSERT_EQ(std::system(fmt::format("cd {} && {}", dir_.string(), command).c_str()), 0) << command;
  }

  // Name -> bytes, read in place at the listed positions.
  std::map<std::string, std::string> in_place(const std::string& name) const {
    const File file(dir_ / name, File::Mode::read);
    std::map<std::string, std::string> found;
    for (const ArchiveMember& member : list_tar(file, 0, file.size(), name)) {
      if (!member.is_file) continue;
      std::string bytes(member.bytes, '\0');
      file.read_at(member.position, std::as_writable_bytes(std::span(bytes)));
      found[member.name] = bytes;
    }
    return found;
  }

  std::map<std::string, std::string> put_files() const {
    std::map<std::string, std::string> files{{"a.JPEG", "x"}, {"empty", ""}};
    files["deep/er/file"] = std::string(512, 'f');
    files["large"] = std::string(300'001, 'l');
    files[std::string(90, 'n') + "/" + std::string(80, 'm')] = "a name that ustar splits";
    for (const auto& [name, bytes] : files) put("files/" + name, bytes);
    return files;
  }
};

TEST_F(ArchiveReaderTest, EveryFormatOfTarIsReadInPlace) {
  const auto files = put_files();
  for (const char* format : {"gnu", "posix", "ustar", "oldgnu"}) {
    run(fmt::format("tar -C files --format={0} -cf {0}.tar .", format));
    EXPECT_EQ(in_place(fmt::format("{}.tar", format)), files) << format;
  }
  put("files/" + std::string(150, 'k') + "/" + std::string(200, 'j'), "no ustar holds this name");
  run("tar -C files --format=gnu -cf gnu.tar . && tar -C files --format=posix -cf posix.tar .");
  EXPECT_EQ(in_place("gnu.tar").size(), files.size() + 1);
  EXPECT_EQ(in_place("posix.tar"), in_place("gnu.tar"));
}

TEST_F(ArchiveReaderTest, AStreamGivesWhatTheListingSays) {
  const auto files = put_files();
  run("tar -C files -czf files.tar.gz . && tar -C files -cf files.tar .");
  const File file(dir_ / "files.tar.gz", File::Mode::read);
  FileRange range(file, 0, file.size());
  const auto plain = decompress(range, Compression::gzip, "files.tar.gz");
  ArchiveReader reader(*plain, "files.tar.gz", 1000);
  std::map<std::string, std::string> found;
  while (const auto member = reader.next()) {
    const auto bytes = reader.read_all(1'000'000);
    found[member->name] = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  EXPECT_EQ(found, files);
}

TEST_F(ArchiveReaderTest, LinksAndFilesWithHolesAreNoFiles) {
  run("mkdir f && echo a > f/a && ln f/a f/b && ln -s a f/c && truncate -s 1000000 f/d && echo x >> f/d && "
      "mkfifo f/e && tar -C f -S -cf f.tar a b c d e");
  const File file(dir_ / "f.tar", File::Mode::read);
  std::string kinds;
  for (const ArchiveMember& member : list_tar(file, 0, file.size(), "f.tar")) {
    kinds += member.name + (member.is_file ? "+" : "-");
  }
  EXPECT_EQ(kinds, "a+b-c-d-e-");
}

TEST_F(ArchiveReaderTest, ATruncatedOrForeignFileIsBadDataAndNamed) {
  put_files();
  run("tar -C files -cf files.tar . && head -c 200000 files.tar > cut.tar && head -c 9000 files.tar > f.tar "
      "&& "
      "head -c 5000 /dev/zero | tr '\\0' 'z' > noise.tar");
  const auto error = [&](const std::string& name) {
    const File file(dir_ / name, File::Mode::read);
    return error_of([&] { list_tar(file, 0, file.size(), name); });
  };
  EXPECT_EQ(error("cut.tar").code(), ExitCode::bad_data);
  EXPECT_THAT(error("cut.tar").what(), HasSubstr("cut.tar: ends inside large: 300001 bytes"));
  std::string damaged = read_text(dir_ / "files.tar");
  damaged[124] ^= 1;  // the first header's size: its sum is wrong
  put("damaged.tar", damaged);
  EXPECT_EQ(error("damaged.tar").code(), ExitCode::bad_data);
  EXPECT_THAT(error("damaged.tar").what(),
              HasSubstr("damaged.tar: a tar archive whose first header is damaged"));
  EXPECT_EQ(error("noise.tar").code(), ExitCode::bad_data);
  EXPECT_THAT(error("noise.tar").what(), HasSubstr("noise.tar: Unrecognized archive format"));
  EXPECT_THAT(error("noise.tar").hint(), HasSubstr("checksum"));
  put("empty.tar", "");
  EXPECT_THAT(error("empty.tar").what(), HasSubstr("empty.tar: an empty file"));
  put("page.tar", "<!DOCTYPE html><html>Log in</html>" + std::string(5000, ' '));
  EXPECT_THAT(error("page.tar").what(), HasSubstr("page.tar: a web page, not the file behind it"));
  put("pointer.tar", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 88216496\n");
  EXPECT_THAT(error("pointer.tar").what(), HasSubstr("pointer.tar: a Git LFS pointer"));
  EXPECT_THAT(error("pointer.tar").hint(), HasSubstr("git lfs pull"));
}

// Listing is by headers alone: of 8 MiB in 8 images hardly anything is read.
TEST_F(ArchiveReaderTest, ListingReadsHeadersOnly) {
  std::string bytes;
  {
    tests::TarFile tar(&bytes);
    for (int i = 0; i < 8; ++i) tar.add(fmt::format("n_{}", i), std::string(1 << 20, 'x'));
  }
  class Counted final : public ByteStream {
   public:
    explicit Counted(const std::string& bytes) : bytes_(bytes) {}
    std::size_t read(std::span<std::byte> target) override {
      const std::size_t count = std::min(target.size(), bytes_.size() - at_);
      std::memcpy(target.data(), bytes_.data() + at_, count);
      at_ += count;
      read_ += count;
      return count;
    }
    std::uint64_t skip(std::uint64_t count) override {
      count = std::min<std::uint64_t>(count, bytes_.size() - at_);
      at_ += count;
      return count;
    }
    std::size_t read_ = 0;

   private:
    const std::string& bytes_;
    std::size_t at_ = 0;
  };
  Counted counted(bytes);
  ArchiveReader reader(counted, "counted", 2048);
  int members = 0;
  while (reader.next()) ++members;
  EXPECT_EQ(members, 8);
  EXPECT_LT(counted.read_, 40'000U);
}

}  // namespace
}  // namespace vitrail::datasets
