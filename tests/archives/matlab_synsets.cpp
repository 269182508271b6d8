// A MATLAB file of level 5, byte by byte after MathWorks' "MAT-File Format" (chapter 1); scipy.io.loadmat and
// libmatio read it.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <zlib.h>

#include "tests/archives/archives.hpp"

namespace vitrail::tests {
namespace {

enum Type : std::uint32_t { kInt8 = 1, kUint8 = 2, kUint16 = 4, kInt32 = 5, kUint32 = 6, kDouble = 9 };
constexpr std::uint32_t kMatrix = 14, kCompressed = 15, kStructClass = 2, kCharClass = 4, kDoubleClass = 6;

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string element(std::uint32_t type, const std::string& data) {
  if (!data.empty() && data.size() <= 4 && type != kMatrix) {  // the small form
    return raw(static_cast<std::uint16_t>(type)) + raw(static_cast<std::uint16_t>(data.size())) + data +
           std::string(4 - data.size(), '\0');
  }
  const std::string padding(type == kCompressed ? 0 : (8 - data.size() % 8) % 8, '\0');
  return raw(type) + raw(static_cast<std::uint32_t>(data.size())) + data + padding;
}

std::string matrix(std::uint32_t matrix_class, std::int32_t rows, std::int32_t columns,
                   const std::string& name, const std::string& content) {
  return element(kMatrix, element(kUint32, raw(matrix_class) + raw(std::uint32_t{0})) +
                              element(kInt32, raw(rows) + raw(columns)) + element(kInt8, name) + content);
}

std::string number(double value) {  // as MATLAB does: in the smallest type that holds it
  const bool small = value >= 0 && value < 256;
  return matrix(
      kDoubleClass, 1, 1, "",
      small ? element(kUint8, raw(static_cast<std::uint8_t>(value))) : element(kDouble, raw(value)));
}

std::string text(const std::string& value) {
  std::string units;
  for (const char c : value) units += raw(static_cast<std::uint16_t>(static_cast<unsigned char>(c)));
  return matrix(kCharClass, value.empty() ? 0 : 1, static_cast<std::int32_t>(value.size()), "",
                element(kUint16, units));
}

std::string synset(double id, const std::string& wnid, const std::string& words, double children) {
  std::string ids;
  for (int i = 0; i < static_cast<int>(children); ++i) ids += raw(static_cast<double>(i + 1));
  const std::string list = matrix(kDoubleClass, children > 0 ? 1 : 0, static_cast<std::int32_t>(children), "",
                                  element(kDouble, ids));
  return number(id) + text(wnid) + text(words) + text("a thing that is " + words) + number(children) + list +
         number(7) + number(1300);
}

std::string compressed_element(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
           bytes.size());
  packed.resize(size);
  return element(kCompressed, packed);
}

}  // namespace

std::string matlab_synsets(const std::vector<ImageClass>& tree, bool compressed) {
  constexpr std::size_t kNameBytes = 18;
  std::string names;
  for (const char* name : {"ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children",
                           "wordnet_height", "num_train_images"}) {
    std::string field(name);
    field.resize(kNameBytes, '\0');
    names += field;
  }
  std::vector<const ImageClass*> by_id;
  for (const ImageClass& c : tree) by_id.push_back(&c);
  std::ranges::sort(by_id, {}, [](const ImageClass* c) { return c->ilsvrc_id; });
  std::string rows;
  for (const ImageClass* c : by_id) rows += synset(c->ilsvrc_id, c->wnid, c->words, 0);
  const auto count = static_cast<double>(tree.size());
  rows += synset(count + 1, "n00001740", "entity", 2) + synset(count + 2, "n00001930", "physical entity", 3);
  const std::string structs =
      matrix(kStructClass, static_cast<std::int32_t>(tree.size() + 2), 1, "synsets",
             element(kInt32, raw(static_cast<std::int32_t>(kNameBytes))) + element(kInt8, names) + rows);
  const std::string before = matrix(kDoubleClass, 1, 1, "release", element(kDouble, raw(2012.0)));
  std::string header = "MATLAB 5.0 MAT-file, Platform: GLNXA64, a miniature of ILSVRC2012's meta.mat";
  header.resize(116, ' ');
  header += std::string(8, '\0') + raw(std::uint16_t{0x0100}) + "IM";
  return header + (compressed ? compressed_element(before) + compressed_element(structs) : before + structs);
}

}  // namespace vitrail::tests
