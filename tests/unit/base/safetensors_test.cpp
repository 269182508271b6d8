#include "trainer/base/files/safetensors.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"

namespace vitrail {
namespace {

class Safetensors : public testing::Test {
 protected:
  Safetensors() { std::filesystem::create_directories(dir_); }
  ~Safetensors() override { std::filesystem::remove_all(dir_); }

  std::filesystem::path with_header(const std::string& header, std::size_t data_bytes) const {
    std::string text(8, '\0');
    const std::uint64_t n = header.size();
    std::memcpy(text.data(), &n, 8);
    write_text_atomically(dir_ / "t", text + header + std::string(data_bytes, 'x'));
    return dir_ / "t";
  }

  const std::filesystem::path dir_ = std::filesystem::path(testing::TempDir()) / "vitrail_safetensors";
};

TEST_F(Safetensors, RoundTripKeepsBitsShapesAndMetadata) {
  const std::vector<float> a = {1.5F, -0.0F, 3e-39F};
  const std::vector<double> b = {0.1, 1e300};
  write_safetensors(dir_ / "f",
                    {{"a", {DataType::f32, {3, 1}, std::as_bytes(std::span(a))}},
                     {"b", {DataType::f64, {2}, std::as_bytes(std::span(b))}}},
                    {{"k", "v"}});
  const SafetensorsReader reader(dir_ / "f");
  EXPECT_EQ(reader.info("a").shape, (std::vector<std::int64_t>{3, 1}));
  EXPECT_EQ(0, std::memcmp(reader.read_as_float("a").data(), a.data(), 12));
  EXPECT_EQ(reader.read_as_double("b"), b);
  EXPECT_EQ(reader.metadata().at("k"), "v");
}

TEST_F(Safetensors, ReadsHalfTypes) {
  const std::vector<std::uint16_t> half = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00};
  const std::vector<std::uint16_t> brain = {0x3f80, 0xc000};
  write_safetensors(dir_ / "f", {{"h", {DataType::f16, {5}, std::as_bytes(std::span(half))}},
                                 {"b", {DataType::bf16, {2}, std::as_bytes(std::span(brain))}}});
  const SafetensorsReader reader(dir_ / "f");
  EXPECT_EQ(reader.read_as_float("h"), (std::vector<float>{1, -2, 0x1.0p-24F, 65504, INFINITY}));
  EXPECT_EQ(reader.read_as_float("b"), (std::vector<float>{1, -2}));
}

TEST_F(Safetensors, LyingHeadersAreRefused) {
  const char* headers[] = {
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,16]}})",  // behind the end
      R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})",   // shape and bytes differ
      R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})",   // unknown type
      R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})",  // negative
      R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",  // product overflows
      R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
      R"({"a":{"shape":[2],"data_offsets":[0,8]}})",
      R"([1,2])",
      R"({"a":)",
  };
  for (const char* header : headers) {
    try {
      SafetensorsReader reader(with_header(header, 8));
      ADD_FAILURE() << "accepted " << header;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_data) << header;
    }
  }
}

// What a download, a clone or a copy leaves behind, and what each is called.
TEST_F(Safetensors, OtherFilesAreCalledWhatTheyAre) {
  using namespace std::string_literals;
  const std::string good = R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})";
  const std::string whole = read_text(with_header(good, 8));
  const std::string tar = "weights/" + std::string(249, '\0') + "ustar\0"s + "00" + std::string(300, '\0');
  const std::vector<std::array<std::string, 3>> cases = {
      {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 88216496\n",
       "a Git LFS pointer, not the file that it stands for (88216496 bytes)", "git lfs pull"},
      {"<!DOCTYPE html>\n<html><head>", "a web page", "download"},
      {"\n  <html lang=\"en\">", "a web page", "download"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied", "a web page", "download"},
      {"PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl"s, "a zip file, as PyTorch's .pth and .pt are",
       "save_file"},
      {"PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00\x21\x00"s + std::string(12, 'x') +
           "\x0b\x00\x14\x00weights.npy\x93NUMPY"s,
       "a file of NumPy arrays (.npz)", "safetensors.numpy.save_file"},
      {"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20"s, "a Python pickle", "save_file"},
      {"\x80\x04\x95\x0f\x00\x00\x00\x00\x00\x00\x00}"s, "a Python pickle", "save_file"},
      {"\x89HDF\r\n\x1a\n\x00\x00\x00\x00"s, "an HDF5 file", "save_file"},
      {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"s, "compressed by gzip", "decompress"},
      {tar, "a tar archive", "unpack"},
      {"{\n  \"metadata\": {\n    \"total_size\": 346284704\n  },\n  \"weight_map\": {",
       "the index of weights that lie in several files", "join"},
      {"{\"architecture\": \"vit_base_patch16_224\"}", "a JSON text without tensors", ".safetensors"},
      {"Access to model a/b is restricted.\nYou must log in.\n",
       "a text that begins with \"Access to model a/b is restricted.\"", "login"},
      {std::string(4096, '\0'), "begins with zeros", "download it again"},
      {"", "it is empty", "again"},
      {"abc", "it ends after 3 bytes", "again"},
      {whole.substr(0, 20), "it is cut off: its header takes", "again"},
      {whole.substr(0, whole.size() - 3), "it is cut off: its tensors take 8 bytes, 5 are there", "again"},
      {whole + "tail", "4 bytes follow its last tensor", "again"},
  };
  for (const auto& [bytes, what, way_out] : cases) {
    std::ofstream(dir_ / "f", std::ios::binary) << bytes;
    try {
      SafetensorsReader reader(dir_ / "f");
      ADD_FAILURE() << "accepted " << what;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_data) << what;
      EXPECT_NE(std::string(e.what()).find(what), std::string::npos) << e.what();
      EXPECT_NE(e.hint().find(way_out), std::string::npos) << e.what() << ": " << e.hint();
    }
  }
}

TEST_F(Safetensors, BytesThatAreNoTensorsAreCounted) {
  const std::string holes =
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})";
  try {
    SafetensorsReader reader(with_header(holes, 8));
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("2 bytes before tensor b are no tensor's"), std::string::npos)
        << e.what();
  }
  // A tensor of no elements has no bytes to lie anywhere.
  const std::string empty =
      R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})";
  EXPECT_EQ(SafetensorsReader(with_header(empty, 8)).tensors().size(), 2U);
}

TEST_F(Safetensors, ADeeplyNestedHeaderIsRefused) {
  EXPECT_THROW(SafetensorsReader(with_header(std::string(1 << 20, '['), 8)), Error);
  std::string nested;
  for (int i = 0; i < 1 << 17; ++i) nested += R"({"a":)";
  EXPECT_THROW(SafetensorsReader(with_header(nested + "1" + std::string(1 << 17, '}'), 8)), Error);
}

// Bytes anywhere, and digits and signs of the header, which reach further than random bytes do.
std::string mutated(std::string text, std::mt19937& random) {
  const auto below = [&](std::size_t n) { return random() % n; };
  constexpr std::string_view kTelling = "0123456789-,:[]{}\"eFIBU.";
  for (std::size_t k = 0; k <= below(3); ++k) {
    const bool in_header = below(4) > 0;
    const std::size_t at = below(in_header ? std::min<std::size_t>(text.size(), 160) : text.size());
    text[at] = in_header && at >= 8 ? kTelling[below(kTelling.size())] : static_cast<char>(random());
  }
  if (below(10) == 0) text.insert(8 + below(100), std::string(1 + below(19), '9'));
  if (below(5) == 0) text.resize(below(text.size()));
  return text;
}

TEST_F(Safetensors, RandomMutationsNeverCrash) {
  const std::vector<float> a(16, 1.0F);
  const std::vector<std::uint16_t> b(6);
  write_safetensors(dir_ / "f", {{"layer.weight", {DataType::f32, {4, 4}, std::as_bytes(std::span(a))}},
                                 {"layer.bias", {DataType::bf16, {6}, std::as_bytes(std::span(b))}}});
  const std::string good = read_text(dir_ / "f");
  std::mt19937 random(1);
  int refused = 0, read = 0;
  for (int i = 0; i < 10000; ++i) {
    std::ofstream(dir_ / "m", std::ios::binary) << mutated(good, random);
    try {
      const SafetensorsReader reader(dir_ / "m");
      for (const auto& [name, info] : reader.tensors()) {
        std::vector<std::byte> bytes(info.end - info.begin);
        reader.read(name, bytes);
        if (info.type == DataType::f32 || info.type == DataType::bf16) reader.read_as_double(name);
      }
      ++read;
    } catch (const Error& e) {
      EXPECT_TRUE(e.code() == ExitCode::bad_data) << e.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 5000);
  EXPECT_GT(read, 500);
}

}  // namespace
}  // namespace vitrail
