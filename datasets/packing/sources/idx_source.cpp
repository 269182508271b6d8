#include <algorithm>

#include <fmt/format.h>

#include "datasets/archives/idx_file.hpp"
#include "datasets/codec/codec.hpp"
#include "datasets/packing/sources/listed_source.hpp"
#include "datasets/packing/sources/source_kinds.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

class IdxSource final : public ListedSource {
 public:
  IdxSource(const std::string& images, const std::string& labels, const SourceOptions& options)
      : images_(read_idx(images, 3)), labels_(read_idx(labels, 1)) {
    if (images_.shape[0] != labels_.shape[0]) {
      throw Error(ExitCode::bad_data, fmt::format("{} holds {} images but {} holds {} labels", images,
                                                  images_.shape[0], labels, labels_.shape[0]));
    }
    if (labels_.values.empty() || pixels() == 0)
      throw Error(ExitCode::bad_data, images + ": no images inside");
    for (std::size_t i = 0; i < labels_.values.size(); ++i) {
      listing_.add({fmt::format("{:08}", i), labels_.values[i], pixels(), i, Flaw::none});
    }
    const int classes = *std::ranges::max_element(labels_.values) + 1;
    for (int c = 0; c < classes; ++c) classes_.push_back({std::to_string(c), ""});
    kind_ = fmt::format("idx {} x {} {} {}", images_.shape[1], images_.shape[2],
                        hash_bytes(std::as_bytes(std::span(images_.values))).hex(),
                        hash_bytes(std::as_bytes(std::span(labels_.values))).hex());
    plan(options.source, options.shard_bytes);
  }

  Bytes read(const SourceItem& item) const override {
    Image image{static_cast<int>(images_.shape[2]), static_cast<int>(images_.shape[1]), {}};
    const std::uint8_t* grey = images_.values.data() + item.place * pixels();
    image.rgb.resize(pixels() * 3);
    for (std::size_t i = 0; i < pixels(); ++i) std::fill_n(&image.rgb[3 * i], 3, grey[i]);
    return copied(encode_png(image));
  }

 private:
  std::size_t pixels() const { return images_.shape[1] * images_.shape[2]; }

  const IdxArray images_, labels_;
};

}  // namespace

std::unique_ptr<Source> open_idx_source(const std::string& files, const SourceOptions& options) {
  const auto comma = files.find(',');
  if (comma == std::string::npos) {
    throw Error(ExitCode::usage, "not idx:IMAGES,LABELS", "name both files: idx:IMAGES,LABELS");
  }
  const std::string images = files.substr(0, comma), labels = files.substr(comma + 1);
  require_file(images, "an IDX file of images");
  require_file(labels, "an IDX file of labels");
  return std::make_unique<IdxSource>(images, labels, options);
}

}  // namespace vitrail::datasets
