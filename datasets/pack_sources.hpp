// What can be packed: a list of images with labels, and the bytes of each.
// "folder:DIR": a folder per class, in name order; every file below it is taken for an image, also in
// sub-folders. "idx:IMAGES,LABELS": MNIST's format, plain or gzip; each image becomes a lossless PNG, classes
// are "0", "1", ... Throws: Error(usage) for another source; Error(bad_data) for one that is not what it
// should be; Error(io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "datasets/pack_format.hpp"

namespace vitrail::datasets {

struct SourceItem {
  std::string key;  // unique in the source; for folders the path below DIR
  std::uint32_t label = 0;
  std::uint64_t bytes = 0;
  const char* problem = nullptr;  // why it cannot be an image, where listing already tells
};

class Source {
 public:
  virtual ~Source() = default;
  const std::vector<SourceItem>& items() const { return items_; }
  const std::vector<ClassEntry>& classes() const { return classes_; }
  // Decides with the options whether two packs are the same; reads no image of a folder, only names and
  // sizes.
  virtual std::string identity() const = 0;
  // The encoded image. Safe from any thread. Error(io) where the file cannot be read.
  virtual std::vector<std::byte> read(std::size_t item) const = 0;

 protected:
  std::vector<SourceItem> items_;
  std::vector<ClassEntry> classes_;
};

std::unique_ptr<Source> open_source(const std::string& source);

}  // namespace vitrail::datasets
