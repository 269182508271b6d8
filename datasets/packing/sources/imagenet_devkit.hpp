// The development kit of ILSVRC 2012 (ILSVRC2012_devkit_t12.tar.gz, or the folder it unpacks to): which class
// each validation image has, and what the classes are called. A class's index is the rank of its wnid among
// the sorted wnids, as everywhere; the kit's own ids are in another order. Throws: Error(bad_data);
// Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "datasets/pack/pack_format.hpp"

namespace vitrail::datasets {

struct ImagenetDevkit {
  std::vector<ClassEntry> classes;        // sorted by wnid; named by the kit's words ("tench, Tinca tinca")
  std::vector<std::uint32_t> validation;  // class index of each validation image, in the order of file names
};

ImagenetDevkit read_devkit(const std::filesystem::path& path);

}  // namespace vitrail::datasets
