// What a pack holds, for people and for programs; from manifest and index alone.
// Throws: Error(bad_data) naming the file; Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datasets/pack/pack_format.hpp"

namespace vitrail::datasets {

struct PackInfo {
  std::string path;
  Manifest manifest;
  std::string fingerprint;
  std::uint64_t bytes = 0;  // of all files but the manifest
  std::uint64_t record_bytes_min = 0, record_bytes_max = 0, record_bytes = 0;
  std::vector<std::uint64_t> class_images = {};              // of every class
  std::uint64_t class_images_min = 0, class_images_max = 0;  // images of the smallest and the largest class
};

PackInfo pack_info(const std::filesystem::path& pack);
std::string to_json(const PackInfo& info);  // one JSON object
std::string to_text(const PackInfo& info);

}  // namespace vitrail::datasets
