#include "trainer/base/files/foreign_file.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace vitrail {
namespace {

using namespace std::string_view_literals;

constexpr const char* kConvert =
    "convert it in Python: safetensors.torch.save_file(state_dict, \"weights.safetensors\"), where "
    "state_dict "
    "holds the tensors by timm's names";
constexpr const char* kDownload = "download the file itself: the address behind the page's download button";

struct Magic {
  std::string_view bytes;
  const char* what;
  const char* way_out;
};

constexpr std::array<Magic, 9> kMagic = {{
    {"PK\x03\x04"sv, "a zip file, as PyTorch's .pth and .pt are", kConvert},
    {"\x89HDF\r\n\x1a\n"sv, "an HDF5 file", kConvert},
    {"\x93NUMPY"sv, "a NumPy array", kConvert},
    {"\x1f\x8b"sv, "compressed by gzip", "decompress it first"},
    {"\x28\xb5\x2f\xfd"sv, "compressed by zstd", "decompress it first"},
    {"\xfd"
     "7zXZ\0"sv,
     "compressed by xz", "decompress it first"},
    {"BZh"sv, "compressed by bzip2", "decompress it first"},
    {"GGUF"sv, "a GGUF file", kConvert},
    {"\x80\x02"sv, "a Python pickle, as old .pth and .pt files are", kConvert},
}};

// np.savez's arrays are the files of a zip file, each called NAME.npy.
bool is_npz(std::string_view head) {
  constexpr std::size_t kNameLength = 26, kName = 30;
  if (!head.starts_with("PK\x03\x04"sv) || head.size() < kName) return false;
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(head[i]));
  };
  return head.substr(kName, byte(kNameLength) + 256 * byte(kNameLength + 1)).ends_with(".npy");
}

// Text as a page or a list begins with it: in small letters, without blanks before it.
std::string as_text(std::string_view head) {
  const std::size_t first = head.find_first_not_of(" \t\r\n\xef\xbb\xbf"sv);
  std::string text(head.substr(std::min(first, head.size())));
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// "Access to this model is restricted.": what a server says instead of the file. Words have blanks between
// them.
std::optional<ForeignFile> as_words(std::string_view head) {
  const auto is_text = [](unsigned char c) {
    return std::isprint(c) != 0 || c == '\n' || c == '\r' || c == '\t';
  };
  if (head.find(' ') == std::string_view::npos || !std::ranges::all_of(head, is_text)) return std::nullopt;
  constexpr std::size_t kShown = 60;
  const std::string_view line = head.substr(0, head.find_first_of("\r\n"sv));
  return ForeignFile{fmt::format("a text that begins with \"{}\"", line.substr(0, kShown)),
                     "download it again; did the server want a login, or an agreement?"};
}

std::optional<std::string> line_of(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(at + key.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n"sv)));
}

std::optional<ForeignFile> as_list(const std::string& text) {
  if (!text.starts_with('{') && !text.starts_with('[')) return std::nullopt;
  const bool index =
      text.find("\"weight_map\"") != std::string::npos ||
      (text.find("\"metadata\"") != std::string::npos && text.find("\"total_size\"") != std::string::npos);
  if (!index) return ForeignFile{"a JSON text without tensors", "name the .safetensors file beside it"};
  return ForeignFile{"the index of weights that lie in several files (model.safetensors.index.json)",
                     "join these files into one: load all of them in Python and write their tensors by "
                     "safetensors.torch.save_file"};
}

}  // namespace

std::optional<ForeignFile> foreign_file(std::string_view head) {
  if (head.starts_with("version https://git-lfs.github.com/spec/")) {
    const auto size = line_of(head, "\nsize ");
    return ForeignFile{fmt::format("a Git LFS pointer, not the file that it stands for{}",
                                   size ? fmt::format(" ({} bytes)", *size) : ""),
                       "fetch that file: git lfs pull, in the folder of the repository"};
  }
  if (is_npz(head)) {
    return ForeignFile{"a file of NumPy arrays (.npz)",
                       "convert it in Python: safetensors.numpy.save_file(dict(numpy.load(\"FILE.npz\")), "
                       "\"weights.safetensors\"), under timm's names"};
  }
  for (const Magic& magic : kMagic) {
    // Pickles of protocol 2 to 5.
    const bool pickle =
        magic.bytes[0] == '\x80' && head.size() >= 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5;
    if (pickle || head.starts_with(magic.bytes)) return ForeignFile{magic.what, magic.way_out};
  }
  constexpr std::size_t kTarMagic = 257;
  if (head.size() > kTarMagic && head.substr(kTarMagic).starts_with("ustar"))
    return ForeignFile{"a tar archive", "unpack it first"};
  const std::string text = as_text(head);
  for (const char* page : {"<!doctype", "<html", "<head", "<?xml", "<!--"}) {
    if (text.starts_with(page)) return ForeignFile{"a web page, not the file behind it", kDownload};
  }
  if (head.size() >= 8 && std::ranges::all_of(head, [](char c) { return c == '\0'; }))
    return ForeignFile{"a file that begins with zeros: room that a download reserved and never filled",
                       "download it again"};
  if (auto list = as_list(text)) return list;
  return as_words(head);
}

}  // namespace vitrail
