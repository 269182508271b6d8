// One tar of WebDataset's form: members whose names are the same up to the first dot, one after another, are
// a sample: its image (.jpg, .jpeg, .png, .webp) and its label (.cls, or a field of .json). Listed by headers
// and labels alone. Throws: Error(bad_data) naming tar and member; Error(io).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/pack_rules.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {

struct WebSample {
  std::string key;  // the image's name in the tar; what a member .key says, where there is one
  std::optional<std::uint32_t> label = {};  // in `labels`
  std::uint64_t position = 0;               // of the image
  std::uint64_t bytes = 0;
  Flaw flaw = Flaw::none;
};

struct WebTar {
  std::vector<WebSample> samples;  // in the order of the tar
  MetLabels labels;
  std::uint64_t more_images =
      0;  // samples with several images, of which the first of the list above is taken
};

struct WebLabels {
  std::string field;   // of .json; empty: .cls, else "label" of .json; kNoLabels: none is looked for
  bool needed = true;  // else every image counts, of tars without any samples, too
};
WebTar read_web_tar(const File& tar, const WebLabels& labels);

inline constexpr const char* kKeyEnding =
    "key";  // of the member that vitrail unpack adds where names would not do

// "a/b.c" and "jpg" of a/b.c.jpg would be "a/b" and "c.jpg" here; empty where no sample is named.
struct WebName {
  std::string sample, ending;  // the ending in lower case
};
WebName web_name_of(const std::string& member);
bool is_image_ending(const std::string& ending);

}  // namespace vitrail::datasets
