#include "trainer/base/safetensors.hpp"

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
