// Element types of tensors, buffers and files, and their sizes in bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vitrail {

enum class DataType : std::uint8_t { f16, bf16, f32, f64, i32, i64, u8, boolean };

std::size_t size_of(DataType type);  // bytes of one element
DataType sum_type(DataType type);    // what such values are added in: f32 for the halves
const char* name_of(DataType type);  // as safetensors writes it: "F32"
std::optional<DataType> type_named(std::string_view name);

}  // namespace vitrail
