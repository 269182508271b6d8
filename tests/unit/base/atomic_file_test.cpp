#include "trainer/base/files/atomic_file.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "trainer/base/error.hpp"

namespace vitrail {
namespace {

class AtomicFile : public testing::Test {
 protected:
  AtomicFile() { std::filesystem::create_directories(dir_); }
  ~AtomicFile() override { std::filesystem::remove_all(dir_); }
  const std::filesystem::path dir_ = std::filesystem::path(testing::TempDir()) / "vitrail_atomic_file";
};

TEST_F(AtomicFile, ReplacesTheWholeFileAndLeavesNoTemporary) {
  write_text_atomically(dir_ / "a", "first, and longer");
  write_text_atomically(dir_ / "a", "second");
  EXPECT_EQ(read_text(dir_ / "a"), "second");
  EXPECT_FALSE(std::filesystem::exists(dir_ / "a.tmp"));
}

TEST_F(AtomicFile, MissingFileNamesPathAndReason) {
  try {
    read_text(dir_ / "missing");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_NE(std::string(e.what()).find("missing: No such file"), std::string::npos) << e.what();
  }
}

TEST_F(AtomicFile, FullDeviceIsAnErrorWithAHint) {
  File full("/dev/full", File::Mode::append);
  const std::string text = "x";
  try {
    full.write(std::as_bytes(std::span(text)));
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_NE(e.hint().find("free space"), std::string::npos);
  }
}

TEST_F(AtomicFile, APipeIsNotReplacedByAFile) {
  const auto pipe = dir_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  try {
    write_text_atomically(pipe, "text");
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::io);
    EXPECT_NE(std::string(e.what()).find("no regular file"), std::string::npos) << e.what();
  }
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
}

TEST_F(AtomicFile, CreateNewRefusesWhatIsThere) {
  { const File file(dir_ / "new", File::Mode::create_new); }
  EXPECT_THROW(File(dir_ / "new", File::Mode::create_new), Error);
}

TEST_F(AtomicFile, ReadingPastTheEndIsAnError) {
  write_text_atomically(dir_ / "short", "abc");
  const File file(dir_ / "short", File::Mode::read);
  std::array<std::byte, 4> bytes{};
  EXPECT_THROW(file.read_at(0, bytes), Error);
}

}  // namespace
}  // namespace vitrail
