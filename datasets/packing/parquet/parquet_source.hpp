// Hugging Face's tables of images: Parquet files with a column of images (a struct of bytes and path, as
// ImageNet-1k's `image`) and one of labels. Read once from end to end, a row at a time, by rank 0, and sorted
// into a spool. Needs Arrow's C++ library (VITRAIL_PARQUET); without it: Error(refused) that says so. Throws:
// Error(bad_data) naming file and cause; Error(refused) for columns that are not there; Error(io).
#pragma once

#include <memory>
#include <string>

#include "datasets/packing/pack_sources.hpp"

namespace vitrail::datasets {

// A file, a pattern (brace_pattern.hpp), or a folder: of its files those that are called as the split, if any
// is.
std::unique_ptr<Source> open_parquet_source(const std::string& pattern, const SourceOptions& options);

}  // namespace vitrail::datasets
