#include "trainer/base/files/written_text.hpp"

#include <string_view>

#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/files/foreign_file.hpp"

namespace vitrail {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// By its mark, or by the zeros of two letters below U+0100.
bool is_utf16(std::string_view text) {
  if (text.starts_with("\xff\xfe"sv) || text.starts_with("\xfe\xff"sv)) return true;
  if (text.size() < 4 || text.size() % 2 != 0) return false;
  const auto zero = [&](std::size_t i) { return text[i] == '\0'; };
  return zero(0) == zero(2) && zero(1) == zero(3) && zero(0) != zero(1);
}

// Eight bytes of a length, then a JSON object.
bool is_safetensors(std::string_view text) { return text.size() > 9 && text.substr(8).starts_with("{\""sv); }

std::string what_it_is(std::string_view text) {
  if (is_safetensors(text)) return "a safetensors file";
  const auto foreign = foreign_file(text.substr(0, kForeignHead));
  return foreign ? foreign->what : "a file with zero bytes in it";
}

}  // namespace

std::string read_written_text(const std::filesystem::path& path, ExitCode malformed) {
  std::string text = read_text(path);
  if (is_utf16(text))
    throw Error(malformed, fmt::format("{}: is UTF-16, not UTF-8", path.string()), "save it as UTF-8");
  if (text.find('\0') != std::string::npos) {
    throw Error(malformed, fmt::format("{}: no text, but {}", path.string(), what_it_is(text)),
                "name a text file");
  }
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return text;
}

}  // namespace vitrail
