#include "trainer/base/files/written_text.hpp"

#include <filesystem>
#include <string_view>

#include <gmock/gmock.h>

#include "trainer/base/files/atomic_file.hpp"

namespace vitrail {
namespace {

using namespace std::string_view_literals;
using testing::HasSubstr;

class WrittenText : public testing::Test {
 protected:
  std::string read(std::string_view bytes) const {
    write_text_atomically(file_, std::string(bytes));
    return read_written_text(file_, ExitCode::usage);
  }
  std::string refusal(std::string_view bytes) const {
    try {
      return "read: " + read(bytes);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage);
      return fmt::format("{}; {}", e.what(), e.hint());
    }
  }

  const std::filesystem::path file_ = std::filesystem::path(testing::TempDir()) / "written.txt";
};

TEST_F(WrittenText, AByteOrderMarkIsNoPartOfIt) {
  EXPECT_EQ(read("\xef\xbb\xbf"
                 "cat\n"),
            "cat\n");
  EXPECT_EQ(read("cat\n"), "cat\n");
  EXPECT_EQ(read(""), "");
}

TEST_F(WrittenText, OtherEncodingsAndOtherFilesAreCalledWhatTheyAre) {
  for (const std::string_view utf16 : {"\xff\xfe"
                                       "c\0a\0"sv,
                                       "\xfe\xff\0c\0a"sv, "c\0a\0t\0"sv, "\0c\0a"sv}) {
    EXPECT_THAT(refusal(utf16), HasSubstr("written.txt: is UTF-16, not UTF-8; save it as UTF-8"));
  }
  EXPECT_THAT(refusal("PK\x03\x04\0\0\0\0\0\0"sv), HasSubstr("no text, but a zip file"));
  EXPECT_THAT(refusal("\x40\0\0\0\0\0\0\0{\"head.bias\""sv), HasSubstr("no text, but a safetensors file"));
  EXPECT_THAT(refusal("\x89HDF\r\n\x1a\n\0\0\0\0\0"sv), HasSubstr("no text, but an HDF5 file"));
  EXPECT_THAT(refusal("run.lanes = 8\n\0"sv), HasSubstr("no text, but a file with zero bytes in it"));
}

}  // namespace
}  // namespace vitrail
