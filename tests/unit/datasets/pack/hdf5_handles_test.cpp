#include "datasets/pack/hdf5_handles.hpp"

#include <gmock/gmock.h>

#include "tests/unit/datasets/pack_fixture.hpp"

namespace vitrail::datasets {
namespace {

using testing::HasSubstr;
using Kind = ElementType::Kind;

class Hdf5Handles : public PackTest {};

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& v) {
  return std::as_bytes(std::span(v));
}

TEST_F(Hdf5Handles, ArraysLieWhereTheySay) {
  const std::vector<std::uint32_t> numbers{7, 8, 9, 10, 11, 12};
  {
    H5File file = H5File::create(dir_ / "a.h5", 16, 4096);
    const ArrayInfo info = file.create_array("numbers", {Kind::u32}, {3, 2});
    EXPECT_EQ(info.address % 4096, 0U);
    file.write("numbers", 0, 1, bytes_of(numbers).first(8));
    file.write("numbers", 1, 2, bytes_of(numbers).subspan(8));
    file.create_array("names", {Kind::text, 5}, {2});
    file.create_array("nothing", {Kind::u64}, {0});
    file.write("nothing", 0, 0, {});
    file.set_attribute("note", "hello");
    file.close();
  }
  const H5File file = H5File::open(dir_ / "a.h5");
  const ArrayInfo info = file.array("numbers");
  EXPECT_EQ(info.shape, (std::vector<std::uint64_t>{3, 2}));
  EXPECT_EQ(info.type, ElementType{Kind::u32});
  const std::string raw = read_text(dir_ / "a.h5").substr(info.address, info.bytes());
  EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(raw)), bytes_of(numbers)));
  std::vector<std::uint32_t> last(2);
  file.read("numbers", 2, 1, std::as_writable_bytes(std::span(last)));
  EXPECT_EQ(last, (std::vector<std::uint32_t>{11, 12}));
  EXPECT_EQ(file.array("names").type, (ElementType{Kind::text, 5}));
  EXPECT_EQ(file.array("nothing").address, 0U);
  EXPECT_EQ(file.attribute("note"), "hello");
}

TEST_F(Hdf5Handles, ErrorsNameFileAndArray) {
  {
    H5File file = H5File::create(dir_ / "a.h5", 16, 16);
    file.create_array("numbers", {Kind::u8}, {4});
    file.close();
  }
  const H5File file = H5File::open(dir_ / "a.h5");
  std::vector<std::byte> bytes(4);
  const Error beyond = error_of([&] { file.read("numbers", 1, 4, bytes); });
  EXPECT_EQ(beyond.code(), ExitCode::bad_data);
  EXPECT_THAT(beyond.what(), HasSubstr("a.h5: /numbers has the shape [4], which does not fit rows 1 to 5"));
  EXPECT_THAT(error_of([&] { file.array("absent"); }).what(),
              HasSubstr("a.h5: HDF5 could not open /absent: "));
  EXPECT_THAT(error_of([&] { static_cast<void>(file.attribute("absent")); }).what(),
              HasSubstr("attribute absent"));

  put("text", "this is no HDF5 file");
  const Error text = error_of([&] { H5File::open(dir_ / "text"); });
  EXPECT_EQ(text.code(), ExitCode::bad_data);
  EXPECT_THAT(text.what(), HasSubstr("file signature not found"));
  EXPECT_EQ(error_of([&] { H5File::create(dir_ / "text/a.h5", 1, 1); }).code(), ExitCode::io);
}

TEST_F(Hdf5Handles, SameCallsGiveTheSameBytes) {
  const auto write = [&](const char* name) {
    H5File file = H5File::create(dir_ / name, 1, 64);
    file.create_array("numbers", {Kind::u8}, {3});
    file.write("numbers", 0, 3, bytes_of(std::vector<std::uint8_t>{1, 2, 3}));
    file.set_attribute("note", "x");
    file.close();
    return read_text(dir_ / name);
  };
  const std::string first = write("a.h5");
  ::usleep(1'100'000);  // time stamps in HDF5 count seconds
  EXPECT_EQ(write("b.h5"), first);
}

}  // namespace
}  // namespace vitrail::datasets
