// A data set of which only some samples count, in its own order: the base of those that keep classes, a
// subset for few labels, or what a file of labels lists. Who inherits marks samples in kept_, closes it and
// sets fingerprint_.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "datasets/dataset.hpp"
#include "datasets/subsets/sparse_selection.hpp"

namespace vitrail::datasets {

class KeptSamples : public Dataset {
 public:
  explicit KeptSamples(std::shared_ptr<const Dataset> base) : base_(std::move(base)), kept_(base_->size()) {}

  std::int64_t size() const override { return kept_.count(); }
  std::int64_t classes() const override { return base_->classes(); }
  std::string class_name(std::int64_t label) const override { return base_->class_name(label); }
  std::string class_id(std::int64_t label) const override { return base_->class_id(label); }
  std::int64_t label(std::int64_t index) const override { return base_->label(kept_.nth(index)); }
  std::string name(std::int64_t index) const override { return base_->name(kept_.nth(index)); }
  std::string place(std::int64_t index) const override { return base_->place(kept_.nth(index)); }
  Sample read(std::int64_t index) const override { return base_->read(kept_.nth(index)); }

  // Where most of what lies between is left out, single reads are less.
  std::unique_ptr<const Extent> read_extent(std::int64_t first, std::int64_t count) const override {
    const std::int64_t begin = kept_.nth(first), end = kept_.nth(first + count - 1) + 1;
    if (end - begin > 2 * count) return nullptr;
    auto extent = base_->read_extent(begin, end - begin);
    if (!extent) return nullptr;
    return std::make_unique<KeptExtent>(kept_, std::move(extent));
  }
  ReadCount read_count() const override { return base_->read_count(); }

  std::optional<std::int64_t> tensor_image_size() const override { return base_->tensor_image_size(); }
  std::string fingerprint() const override { return fingerprint_; }
  std::vector<std::string> warnings() const override { return base_->warnings(); }

 protected:
  const std::shared_ptr<const Dataset> base_;
  SparseSelection kept_;
  std::string fingerprint_;

 private:
  struct KeptExtent final : Extent {
    KeptExtent(const SparseSelection& selection, std::unique_ptr<const Extent> all)
        : kept(selection), extent(std::move(all)) {}
    Sample read(std::int64_t index) const override { return extent->read(kept.nth(index)); }
    const SparseSelection& kept;
    std::unique_ptr<const Extent> extent;
  };
};

}  // namespace vitrail::datasets
