// What fuzz targets share. A target is one file with libFuzzer's LLVMFuzzerTestOneInput; with clang it
// becomes a fuzzer (preset fuzz), with any compiler a program that replays files (replay.cpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::tests {

// Hostile bytes are either read or are Error(bad_data): anything else is a finding.
template <class Function>
void expect_no_other_error(const Function& f) {
  try {
    f();
  } catch (const Error& e) {
    if (e.code() == ExitCode::bad_data) return;
    fmt::print(stderr, "not bad_data: {}\n", e.what());
    std::abort();
  }
}

// An input as a text and what comes after it; two bytes before them are the text's length. Absent: too short.
struct TextAndBytes {
  std::string text, bytes;
};
inline std::optional<TextAndBytes> text_and_bytes(const std::uint8_t* data, std::size_t size) {
  std::uint16_t length = 0;
  if (size < sizeof length) return std::nullopt;
  std::memcpy(&length, data, sizeof length);
  const std::string rest(reinterpret_cast<const char*>(data) + sizeof length, size - sizeof length);
  const std::string text = rest.substr(0, length);
  return TextAndBytes{text, rest.substr(text.size())};
}

}  // namespace vitrail::tests

// libFuzzer's name for it. NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
