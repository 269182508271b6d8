// Sums of gradients, element by element, with one rounding each: halves are widened, added in fp32 and
// rounded to nearest even. Any of f32, f64, f16, bf16. Plain loops for the vectoriser; no throws.
#pragma once

#include <cstdint>

#include "trainer/base/data_type.hpp"

namespace vitrail::sharding {

// to = left + right; `to` may be either of them.
void add(DataType type, const std::byte* left, const std::byte* right, std::int64_t n, std::byte* to);
// Halves to fp32, the others as they are; `to` may be `from` where the type stays.
void widen(DataType type, const std::byte* from, std::int64_t n, std::byte* to);

}  // namespace vitrail::sharding
