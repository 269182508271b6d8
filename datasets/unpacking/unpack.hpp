// A pack back into files that any program reads: folders of classes, or WebDataset tars (one for each shard).
// Bytes of images are as they were packed; each is checked by its CRC on the way. What is written follows
// from the pack alone. Throws: Error(bad_data) naming a record that is damaged, or keys that would leave the
// folder; Error(refused) for an output that is there, and for classes whose folders would be one; Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitrail::datasets {

enum class UnpackFormat { folder, wds };

struct UnpackOptions {
  std::filesystem::path pack, output;
  UnpackFormat format = UnpackFormat::folder;
  int threads = 1;
  bool progress = true;
};

struct UnpackReport {
  std::uint64_t images = 0, bytes = 0, tars = 0;
  std::vector<std::string> warnings;
};

UnpackReport unpack(const UnpackOptions& options);

}  // namespace vitrail::datasets
