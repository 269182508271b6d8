// Where images come from, with labels or without: a pack, a tensor file or a generator. Immutable and safe to
// read from any thread. Throws: DamagedRecord naming shard, record and key; Error(bad_data) for a source that
// is not what it says as a whole; Error(usage) for one that nobody knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datasets/bytes.hpp"
#include "datasets/open_options.hpp"
#include "datasets/pixels/image.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

// What one sample is before it is transformed (transform.hpp): one of these, the others are empty.
struct Sample {
  Bytes encoded;              // JPEG, PNG or WebP
  Image image;                // pixels
  std::vector<float> tensor;  // [3, S, S], used as it is
};

// The bytes of one sample are not what was packed; other samples may be good.
class DamagedRecord : public Error {
 public:
  explicit DamagedRecord(const Error& error) : Error(error) {}
};

// What was read from files so far.
struct ReadCount {
  std::uint64_t calls = 0, bytes = 0;
};

// Neighbouring samples that were read at once and are kept in memory. Throws what Dataset::read() throws.
class Extent {
 public:
  virtual ~Extent() = default;
  virtual Sample read(std::int64_t index) const = 0;
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual std::int64_t size() const = 0;
  virtual std::int64_t classes() const = 0;  // 0: images without labels, which all read as 0
  virtual std::string class_name(std::int64_t label) const = 0;
  virtual std::string class_id(std::int64_t label) const;  // wnid where there is one, else the name
  virtual std::int64_t label(std::int64_t index) const = 0;
  virtual std::string name(std::int64_t index) const;   // of a sample in its source; else its number
  virtual std::string place(std::int64_t index) const;  // where it lies, for error messages
  virtual Sample read(std::int64_t index) const = 0;
  // Samples [first, first + count); null where reading them together is no faster.
  virtual std::unique_ptr<const Extent> read_extent(std::int64_t first, std::int64_t count) const;
  virtual ReadCount read_count() const { return {}; }
  virtual std::optional<std::int64_t> tensor_image_size() const = 0;  // S where read() gives tensors
  virtual std::string fingerprint() const = 0;  // 32 hex digits; equal only for equal content
  virtual std::string describe() const = 0;     // for error messages and logs: the source as the user gave it
  virtual std::vector<std::string> warnings() const { return {}; }  // what its owner should look at
};

// "DIR" a pack · "folder:DIR", "wds:TARS" and their like: images as they lie (source_dataset.hpp) ·
// "tensor:FILE.safetensors" (images float [N,3,S,S], labels int64 [N]) · "synthetic:N,CLASSES,SIZE" seeded
// textures with class-dependent structure, for dry runs.
std::shared_ptr<const Dataset> open_dataset(const std::string& source, const OpenOptions& options = {});

// The same, where labels are not looked at: images of tars ("wds:") that have none count among others, and
// "folder:DIR" is every image below a folder, in name order; options.classes cuts none of these.
std::shared_ptr<const Dataset> open_unlabelled(const std::string& source, const OpenOptions& options = {});

// To be shown: with labels where there are some. "folder:DIR" is a folder for each class, as training reads
// it, where it holds folders.
std::shared_ptr<const Dataset> open_shown(const std::string& source, const OpenOptions& options = {});

}  // namespace vitrail::datasets
