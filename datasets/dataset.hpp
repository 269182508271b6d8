// Where labelled images come from: a pack, a tensor file or a generator. Immutable and safe to read from any
// thread. Throws: Error(bad_data) naming shard, record and key; Error(usage) for a source nobody knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/image.hpp"

namespace vitrail::datasets {

// What one sample is before it is transformed (transform.hpp): one of these, the others are empty.
struct Sample {
  std::vector<std::byte> encoded;  // JPEG or PNG
  Image image;                     // pixels
  std::vector<float> tensor;       // [3, S, S], used as it is
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual std::int64_t size() const = 0;
  virtual std::int64_t classes() const = 0;
  virtual std::string class_name(std::int64_t label) const = 0;
  virtual std::int64_t label(std::int64_t index) const = 0;
  virtual std::string name(std::int64_t index) const;   // of a sample in its source; else its number
  virtual std::string place(std::int64_t index) const;  // where it lies, for error messages
  virtual Sample read(std::int64_t index) const = 0;
  virtual std::optional<std::int64_t> tensor_image_size() const = 0;  // S where read() gives tensors
  virtual std::string fingerprint() const = 0;  // 32 hex digits; equal only for equal content
  virtual std::string describe() const = 0;     // for error messages and logs: the source as the user gave it
};

// "DIR" a pack · "tensor:FILE.safetensors" (images float [N,3,S,S], labels int64 [N]) ·
// "synthetic:N,CLASSES,SIZE" seeded textures with class-dependent structure, for dry runs.
std::shared_ptr<const Dataset> open_dataset(const std::string& source);

// The same, where labels are not looked at: a tensor file may do without, and "folder:DIR" is every image
// below a folder, in name order.
std::shared_ptr<const Dataset> open_unlabelled(const std::string& source);

}  // namespace vitrail::datasets
