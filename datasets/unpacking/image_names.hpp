// What the files of an unpacked pack are called: by their keys, so that packing them again gives the same
// ones. Throws: Error(refused) where two classes would be one folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "datasets/pack/pack_format.hpp"

namespace vitrail::datasets {

// The folder of each class: its wnid, or its name, in which "/" becomes "_".
std::vector<std::string> class_folders(const std::vector<ClassEntry>& classes);

// Packs of before could have keys such as "../x", "/x" and "a//b".
bool is_path_below(const std::string& key);

// CLASS/PATH; the key itself where it begins with its class's folder, or there is none. An ending is added
// where there is none.
std::string path_in_folder(const std::string& key, const std::string& folder,
                           std::span<const std::byte> image);

// The names of samples in one tar.
class SampleNames {
 public:
  struct Name {
    std::string sample, image;  // "a/b" and "a/b.jpg"
    bool needs_key = false;     // the key is not the image's name
  };
  // By the key where it has one ending, that of an image, and no sample has its name; else by the number.
  Name of(const std::string& key, std::uint64_t number, std::span<const std::byte> image);

 private:
  std::unordered_set<std::string> used_;
};

}  // namespace vitrail::datasets
