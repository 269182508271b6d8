// From libjpeg's reading of a JPEG's headers to the scan that decode_baseline() takes.
#pragma once

#include <cstdio>
#include <optional>

#include <jpeglib.h>

#include "datasets/codec/baseline_jpeg.hpp"

namespace vitrail::datasets {

// `info` after jpeg_read_header(): its source stands behind the scan's header. Nothing where the file is
// another kind of JPEG, or the processor lacks the instructions. Refers to what `info` holds.
std::optional<BaselineScan> baseline_scan(jpeg_decompress_struct& info);

}  // namespace vitrail::datasets
