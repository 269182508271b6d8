#include "datasets/archives/matlab_file.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>
#include <zlib.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

using ByteView = std::span<const std::byte>;

constexpr std::size_t kHeader = 128;
constexpr std::size_t kMaxInflated = std::size_t{64} << 20;

enum Type : std::uint32_t {  // of an element
  kInt8 = 1,
  kUint8 = 2,
  kInt16 = 3,
  kUint16 = 4,
  kInt32 = 5,
  kUint32 = 6,
  kSingle = 7,
  kDouble = 9,
  kInt64 = 12,
  kUint64 = 13,
  kMatrix = 14,
  kCompressed = 15,
  kUtf8 = 16
};

enum Class : std::uint32_t {
  kCell = 1,
  kStruct = 2,
  kChar = 4,
  kFirstNumber = 6,
  kLastNumber = 15
};  // of a matrix

struct Element {
  std::uint32_t type = 0;
  ByteView data;
};

template <class T>
T load(ByteView bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

[[noreturn]] void fail(const char* what) { throw Error(ExitCode::bad_data, what); }

// Takes elements off the front of a range of bytes.
class Elements {
 public:
  explicit Elements(ByteView rest) : rest_(rest) {}

  bool empty() const { return rest_.size() < 8; }

  Element next() {
    if (empty()) fail("an element is missing");
    const auto word = load<std::uint32_t>(rest_, 0);
    if (const std::uint32_t small = word >> 16; small != 0) {  // type, size and data in 8 bytes
      if (small > 4) fail("a small element of more than 4 bytes");
      const Element element{word & 0xffff, rest_.subspan(4, small)};
      rest_ = rest_.subspan(8);
      return element;
    }
    const std::size_t bytes = load<std::uint32_t>(rest_, 4);
    if (bytes > rest_.size() - 8) fail("an element that is longer than what holds it");
    const Element element{word, rest_.subspan(8, bytes)};
    const std::size_t padded = word == kCompressed ? bytes : (bytes + 7) / 8 * 8;
    rest_ = rest_.subspan(8 + std::min(padded, rest_.size() - 8));
    return element;
  }

  Element next(std::uint32_t type, const char* what) {
    const Element element = next();
    if (element.type != type) fail(what);
    return element;
  }

 private:
  ByteView rest_;
};

std::vector<std::byte> inflate_all(ByteView packed) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) throw std::bad_alloc();
  std::vector<std::byte> all;
  int status = Z_OK;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  while (status == Z_OK && all.size() < kMaxInflated) {
    const std::size_t before = all.size();
    all.resize(before + (std::size_t{1} << 16));
    stream.next_out = reinterpret_cast<Bytef*>(all.data() + before);
    stream.avail_out = 1U << 16;
    status = inflate(&stream, Z_NO_FLUSH);
    all.resize(all.size() - stream.avail_out);
    if (status == Z_OK && all.size() == before) status = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END) fail("compressed data that is damaged or larger than 64 MiB");
  return all;
}

std::string chars_of(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string utf8_of(const Element& element) {
  if (element.type == kUtf8 || element.type == kInt8 || element.type == kUint8) return chars_of(element.data);
  if (element.type != kUint16) fail("a text of an unknown encoding");
  std::string text;
  for (std::size_t i = 0; i + 1 < element.data.size(); i += 2) {
    const auto unit = load<std::uint16_t>(element.data, i);
    if (unit < 0x80) {
      text += static_cast<char>(unit);
    } else if (unit < 0x800) {
      text += static_cast<char>(0xc0 | unit >> 6);
      text += static_cast<char>(0x80 | (unit & 0x3f));
    } else if (unit < 0xd800 || unit > 0xdfff) {
      text += static_cast<char>(0xe0 | unit >> 12);
      text += static_cast<char>(0x80 | (unit >> 6 & 0x3f));
      text += static_cast<char>(0x80 | (unit & 0x3f));
    } else {
      text += '?';  // half of a character beyond the first 65,536: no name of a class has one
    }
  }
  return text;
}

template <class T>
std::vector<double> widen(ByteView bytes) {
  std::vector<double> values;
  for (std::size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    values.push_back(static_cast<double>(load<T>(bytes, i)));
  }
  return values;
}

std::vector<double> numbers_of(const Element& element) {
  switch (element.type) {
    case kInt8:
      return widen<std::int8_t>(element.data);
    case kUint8:
      return widen<std::uint8_t>(element.data);
    case kInt16:
      return widen<std::int16_t>(element.data);
    case kUint16:
      return widen<std::uint16_t>(element.data);
    case kInt32:
      return widen<std::int32_t>(element.data);
    case kUint32:
      return widen<std::uint32_t>(element.data);
    case kSingle:
      return widen<float>(element.data);
    case kDouble:
      return widen<double>(element.data);
    case kInt64:
      return widen<std::int64_t>(element.data);
    case kUint64:
      return widen<std::uint64_t>(element.data);
    default:
      fail("a number of an unknown type");
  }
}

// The head of a matrix; what follows depends on its class.
struct Matrix {
  std::uint32_t matrix_class = 0;
  std::uint64_t elements = 1;
  std::string name;
  Elements rest;
};

Matrix open_matrix(ByteView data) {
  Elements parts(data);
  const Element flags = parts.next(kUint32, "a matrix without flags");
  if (flags.data.size() != 8) fail("flags of a matrix that are not 8 bytes");
  const Element extents = parts.next(kInt32, "a matrix without dimensions");
  std::uint64_t elements = 1;
  for (const double extent : widen<std::int32_t>(extents.data)) {
    if (extent < 0) fail("a negative dimension");
    elements *= static_cast<std::uint64_t>(extent);
    if (elements > kMaxInflated) fail("a matrix of too many elements");
  }
  const Element name = parts.next();
  return {load<std::uint32_t>(flags.data, 0) & 0xff, elements, chars_of(name.data), parts};
}

MatlabValue read_value(Matrix& matrix) {
  if (matrix.matrix_class == kChar) return {matrix.elements == 0 ? "" : utf8_of(matrix.rest.next()), {}};
  if (matrix.matrix_class < kFirstNumber || matrix.matrix_class > kLastNumber) return {};
  std::vector<double> numbers;
  if (matrix.elements > 0) numbers = numbers_of(matrix.rest.next());
  if (numbers.size() != matrix.elements) fail("a matrix whose data does not fit its dimensions");
  return {{}, std::move(numbers)};
}

MatlabValue read_value(ByteView data) {
  if (data.empty()) return {};  // how an empty field may be written
  Matrix matrix = open_matrix(data);
  return read_value(matrix);
}

MatlabStructs read_structs(Matrix& matrix) {
  const Element length = matrix.rest.next(kInt32, "a struct without the length of its fields' names");
  const std::size_t bytes = length.data.size() == 4 ? load<std::uint32_t>(length.data, 0) : 0;
  const Element names = matrix.rest.next(kInt8, "a struct without the names of its fields");
  if (bytes == 0 || names.data.size() % bytes != 0) fail("names of fields of an unexpected length");
  MatlabStructs structs;
  for (std::size_t at = 0; at < names.data.size(); at += bytes) {
    const std::string name = chars_of(names.data.subspan(at, bytes));
    structs.fields.push_back(name.substr(0, name.find('\0')));
  }
  if (structs.fields.empty() && matrix.elements > 0) fail("a struct without fields");
  for (std::uint64_t row = 0; row < matrix.elements; ++row) {
    std::vector<MatlabValue> values;
    for (std::size_t f = 0; f < structs.fields.size(); ++f) {
      values.push_back(read_value(matrix.rest.next(kMatrix, "a struct's field that is no matrix").data));
    }
    structs.rows.push_back(std::move(values));
  }
  return structs;
}

std::vector<std::string> read_texts(Matrix& matrix) {
  std::vector<std::string> texts;
  for (std::uint64_t cell = 0; cell < matrix.elements; ++cell) {
    const ByteView data = matrix.rest.next(kMatrix, "a cell that is no matrix").data;
    if (data.empty() || open_matrix(data).matrix_class != kChar) fail("a cell that is no text");
    texts.push_back(read_value(data).text);
  }
  return texts;
}

// What `read` makes of the matrix of this name, whose class is between these two.
template <class Read>
auto read_variable(ByteView file, const std::string& variable, std::uint32_t first, std::uint32_t last,
                   const char* otherwise, const Read& read) {
  if (file.size() < kHeader) fail("not a MATLAB file: too short");
  if (load<std::uint16_t>(file, 124) != 0x0100 || file[126] != std::byte{'I'} ||
      file[127] != std::byte{'M'}) {
    fail("not a little-endian MATLAB file of level 5 (HDF5-based ones, level 7.3, are another format)");
  }
  for (Elements variables(file.subspan(kHeader)); !variables.empty();) {
    Element element = variables.next();
    std::vector<std::byte> inflated;
    if (element.type == kCompressed) {
      inflated = inflate_all(element.data);
      element = Elements(inflated).next();
    }
    if (element.type != kMatrix || element.data.empty()) continue;
    Matrix matrix = open_matrix(element.data);
    if (matrix.name != variable) continue;
    if (matrix.matrix_class < first || matrix.matrix_class > last) fail(otherwise);
    return read(matrix);
  }
  throw Error(ExitCode::bad_data, fmt::format("no variable {}", variable));
}

template <class Read>
auto said_of(const std::string& path, const Read& read) {
  try {
    return read();
  } catch (const Error& e) {
    throw e.in(path);
  }
}

}  // namespace

std::size_t MatlabStructs::field(const std::string& name, const std::string& path) const {
  const auto found = std::ranges::find(fields, name);
  if (found == fields.end()) throw Error(ExitCode::bad_data, fmt::format("{}: no field {}", path, name));
  return static_cast<std::size_t>(found - fields.begin());
}

MatlabStructs read_matlab_structs(ByteView file, const std::string& variable, const std::string& path) {
  return said_of(path, [&] {
    return read_variable(file, variable, kStruct, kStruct, "the variable is no array of structs",
                         read_structs);
  });
}

std::vector<double> read_matlab_numbers(ByteView file, const std::string& variable, const std::string& path) {
  return said_of(path, [&] {
    return read_variable(file, variable, kFirstNumber, kLastNumber, "the variable is no array of numbers",
                         [](Matrix& matrix) { return read_value(matrix).numbers; });
  });
}

std::vector<std::string> read_matlab_texts(ByteView file, const std::string& variable,
                                           const std::string& path) {
  return said_of(path, [&] {
    return read_variable(file, variable, kCell, kCell, "the variable is no cell array", read_texts);
  });
}

}  // namespace vitrail::datasets
