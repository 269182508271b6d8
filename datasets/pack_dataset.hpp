// A pack as a data set: records by pread at the addresses of the manifest, decoded when asked for; no HDF5
// library. Throws: Error(bad_data) naming shard, record and key; Error(io).
#pragma once

#include <filesystem>
#include <memory>

#include "datasets/dataset.hpp"

namespace vitrail::datasets {

std::shared_ptr<const Dataset> open_pack_dataset(const std::filesystem::path& pack,
                                                 const OpenOptions& options = {});

}  // namespace vitrail::datasets
