#include "datasets/source_dataset.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datasets/packing/pack.hpp"
#include "datasets/packing/pack_sources.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/processors.hpp"

namespace vitrail::datasets {
namespace {

// Neither streams, which have to be sorted first, nor collections with splits, of which nobody could say
// which.
constexpr std::array<std::string_view, 7> kDirect = {
    "folder:DIR",      "images:DIR",       "wds:TARS",         "csv:LIST",
    "flat:DIR,LABELS", "inaturalist:JSON", "idx:IMAGES,LABELS"};

class SourceDataset final : public Dataset {
 public:
  SourceDataset(const std::string& source, Labels labels)
      : name_(source),
        source_(open_source({.source = source,
                             .labelled = labels,
                             .shard_bytes = PackOptions{}.shard_bytes,
                             .threads = static_cast<int>(available_processors())})),
        fingerprint_(hash_text("unpacked\n" + source_->identity()).hex()) {
    for (std::uint64_t shard = 0; shard < source_->shards(); ++shard) {
      for (const SourceItem& item : source_->items(shard)) {
        if (item.flaw == Flaw::none) {
          images_.add(item);
        } else if (left_out_[item.flaw]++ == 0) {
          first_left_out_[item.flaw] = item.key;
        }
      }
    }
    images_.shrink();
    if (images_.size() == 0) throw Error(ExitCode::bad_data, "no image inside that could be used");
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(images_.size()); }
  std::int64_t classes() const override { return static_cast<std::int64_t>(source_->classes().size()); }
  std::string class_name(std::int64_t label) const override { return entry(label).name; }
  std::string class_id(std::int64_t label) const override {
    return entry(label).wnid.empty() ? entry(label).name : entry(label).wnid;
  }
  std::int64_t label(std::int64_t index) const override { return images_.label(checked(index)); }
  std::string name(std::int64_t index) const override { return std::string(images_.key(checked(index))); }
  std::string place(std::int64_t index) const override { return fmt::format("{}: {}", name_, name(index)); }

  Sample read(std::int64_t index) const override {
    try {
      return {.encoded = source_->read(images_.item(checked(index))), .image = {}, .tensor = {}};
    } catch (const Error& e) {
      throw DamagedRecord(e.in(place(index)));  // gone, or shorter: other files may be good
    }
  }

  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string fingerprint() const override { return fingerprint_; }
  std::string describe() const override { return name_; }

  // Of what a pack would have quarantined nothing is seen; so it is counted, by its reason. Sources
  // themselves say which images have no label, or another one's name.
  std::vector<std::string> warnings() const override {
    std::vector<std::string> lines = source_->warnings();
    for (const auto& [flaw, files] : left_out_) {
      if (flaw == Flaw::no_label || flaw == Flaw::repeated_name) continue;
      lines.push_back(fmt::format("{}: {} left out, as in a pack: {}; the first: {}", name_, files,
                                  datasets::describe(flaw), printable(first_left_out_.at(flaw))));
    }
    return lines;
  }

 private:
  const ClassEntry& entry(std::int64_t label) const {
    return source_->classes().at(static_cast<std::size_t>(label));
  }
  std::size_t checked(std::int64_t index) const {
    if (index < 0 || index >= size()) {
      throw std::out_of_range(fmt::format("{}: image {} of {}", name_, index, size()));
    }
    return static_cast<std::size_t>(index);
  }

  const std::string name_;
  const std::unique_ptr<const Source> source_;
  const std::string fingerprint_;
  Listing images_;  // in the order of a pack, without what is no image by name or size
  std::map<Flaw, std::uint64_t> left_out_;
  std::map<Flaw, std::string> first_left_out_;
};

}  // namespace

bool is_direct_source(const std::string& source) {
  return std::ranges::any_of(
      kDirect, [&](std::string_view form) { return source.starts_with(form.substr(0, form.find(':') + 1)); });
}

std::string direct_source_forms() { return fmt::format("{}", fmt::join(kDirect, ", ")); }

std::shared_ptr<const Dataset> open_source_dataset(const std::string& source, Labels labels) try {
  return std::make_shared<const SourceDataset>(source, labels);
} catch (const Error& e) {
  if (e.code() != ExitCode::refused) throw;
  throw Error(e.code(), e.what(),
              e.hint() + (e.hint().empty() ? "" : "; ") +
                  "such options are of `vitrail pack`: pack it with them, and give the pack");
} catch (const std::filesystem::filesystem_error& e) {
  throw io_error("cannot look at", e.path1(), e.code().value());
}

}  // namespace vitrail::datasets
