// Which elements dropout keeps, drawn from Philox: the same on CPUs and GPUs. Row r of [R, ...] has the
// stream of the start's id + r, and in it a 32-bit draw for each element. Throws: Error(refused) for rows of
// 2^26 elements or more, or 2^24 rows.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "trainer/base/philox_block.hpp"

namespace vitrail::models {

// Draws below it are dropped: rate * 2^32. 0 <= rate < 1.
inline std::uint32_t dropped_below(double rate) { return static_cast<std::uint32_t>(rate * 0x1p32); }

// Booleans of x's shape, where x is.
at::Tensor dropout_mask(const PhiloxStart& start, double rate, const at::Tensor& x);

void fill_dropout_mask_cuda(const PhiloxStart& start, std::uint32_t below, at::Tensor& mask);

}  // namespace vitrail::models
