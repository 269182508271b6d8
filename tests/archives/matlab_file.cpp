#include "tests/archives/matlab_file.hpp"

#include <cstring>

#include <zlib.h>

namespace vitrail::tests {
namespace {

enum Type : std::uint32_t { kInt8 = 1, kUint8 = 2, kUint16 = 4, kInt32 = 5, kUint32 = 6, kDouble = 9 };
constexpr std::uint32_t kMatrix = 14, kCompressed = 15;
constexpr std::uint32_t kCellClass = 1, kStructClass = 2, kCharClass = 4, kDoubleClass = 6;

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

}  // namespace

std::string matlab_header(const std::string& text) {
  std::string header = "MATLAB 5.0 MAT-file, Platform: GLNXA64, " + text;
  header.resize(116, ' ');
  return header + std::string(8, '\0') + raw(std::uint16_t{0x0100}) + "IM";
}

std::string matlab_compressed(const std::string& variables) {
  uLongf size = compressBound(variables.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(variables.data()),
           variables.size());
  packed.resize(size);
  return element(kCompressed, packed);
}

std::string matlab_number(double value, const std::string& name) {  // in the smallest type, as MATLAB does
  const bool small = value >= 0 && value < 256;
  return matrix(
      kDoubleClass, 1, 1, name,
      small ? element(kUint8, raw(static_cast<std::uint8_t>(value))) : element(kDouble, raw(value)));
}

std::string matlab_numbers(const std::vector<double>& row, const std::string& name) {
  std::string values;
  for (const double value : row) values += raw(value);
  return matrix(kDoubleClass, row.empty() ? 0 : 1, static_cast<std::int32_t>(row.size()), name,
                element(kDouble, values));
}

std::string matlab_text(const std::string& value, const std::string& name) {
  std::string units;
  for (const char c : value) units += raw(static_cast<std::uint16_t>(static_cast<unsigned char>(c)));
  return matrix(kCharClass, value.empty() ? 0 : 1, static_cast<std::int32_t>(value.size()), name,
                element(kUint16, units));
}

std::string matlab_cells(const std::vector<std::string>& values, const std::string& name) {
  std::string all;
  for (const std::string& value : values) all += value;
  return matrix(kCellClass, 1, static_cast<std::int32_t>(values.size()), name, all);
}

std::string matlab_structs(const std::vector<std::string>& fields, const std::vector<std::string>& values,
                           const std::string& name) {
  constexpr std::size_t kNameBytes = 18;
  std::string names, all;
  for (std::string field : fields) {
    field.resize(kNameBytes, '\0');
    names += field;
  }
  for (const std::string& value : values) all += value;
  return matrix(kStructClass, static_cast<std::int32_t>(values.size() / fields.size()), 1, name,
                element(kInt32, raw(static_cast<std::int32_t>(kNameBytes))) + element(kInt8, names) + all);
}

}  // namespace vitrail::tests
