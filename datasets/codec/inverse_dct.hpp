// The inverse DCT of libjpeg's `islow`, two blocks at once with AVX2: dequantised, columns before rows, 13
// bits of fraction, 16-bit sums that wrap and roundings that saturate where those of libjpeg-turbo's vectors
// do, so the bytes are the same. Source: Loeffler, Ligtenberg and Moschytz (1989), as T.81's islow arranges
// it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "datasets/codec/huffman_blocks.hpp"

namespace vitrail::datasets {

bool has_inverse_dct();  // this processor

// `quantisation`: as the coefficients lie. Each block's 8 rows of 8 bytes go to out[i], `stride[i]` apart.
void inverse_dct(const BlockPair& pair, const BlockPair& quantisation, std::uint8_t* const out[2],
                 const std::size_t stride[2]);

}  // namespace vitrail::datasets
