#include "trainer/base/data_type.hpp"

#include <array>

namespace vitrail {
namespace {

struct TypeRow {
  DataType type;
  const char* name;
  std::size_t bytes;
};
constexpr std::array<TypeRow, 8> kTypes = {{{DataType::f16, "F16", 2},
                                            {DataType::bf16, "BF16", 2},
                                            {DataType::f32, "F32", 4},
                                            {DataType::f64, "F64", 8},
                                            {DataType::i32, "I32", 4},
                                            {DataType::i64, "I64", 8},
                                            {DataType::u8, "U8", 1},
                                            {DataType::boolean, "BOOL", 1}}};

const TypeRow& row_of(DataType type) { return kTypes.at(static_cast<std::size_t>(type)); }

}  // namespace

std::size_t size_of(DataType type) { return row_of(type).bytes; }
DataType sum_type(DataType type) {
  return type == DataType::f16 || type == DataType::bf16 ? DataType::f32 : type;
}
const char* name_of(DataType type) { return row_of(type).name; }

std::optional<DataType> type_named(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (name == row.name) return row.type;
  }
  return std::nullopt;
}

}  // namespace vitrail
