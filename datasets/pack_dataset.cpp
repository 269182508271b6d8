#include "datasets/pack_dataset.hpp"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "datasets/pack/pack_index.hpp"
#include "datasets/pack/shard_reader.hpp"
#include "datasets/pack/shard_stage.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

// Neighbours in a pack; those of one shard lie end to end in one part.
class PackExtent final : public Extent {
 public:
  PackExtent(const PackIndex& index, const ShardReader& reader, std::uint64_t first, std::uint64_t end)
      : index_(index), reader_(reader) {
    while (first < end) {
      const std::uint64_t next = std::min(end, index.first_image(index.place(first).shard + 1));
      parts_.push_back({first, next, reader.records(first, next)});
      first = next;
    }
  }

  Sample read(std::int64_t index) const override {
    const auto image = static_cast<std::uint64_t>(index);
    const auto part = std::ranges::find_if(parts_, [&](const Part& p) { return image < p.end; });
    const std::uint64_t begin = index_.place(part->first).begin;
    const RecordPlace place = index_.place(image);
    if (place.begin < begin || place.end - begin > part->bytes.size()) {
      throw Error(ExitCode::bad_data, fmt::format("{}: the offsets of image {} do not fit its neighbours'",
                                                  (index_.path() / kIndexFile).string(), image));
    }
    const auto record = std::span(part->bytes).subspan(place.begin - begin, place.end - place.begin);
    reader_.check(image, record);
    return {.encoded = copied(record), .image = {}, .tensor = {}};
  }

 private:
  struct Part {
    std::uint64_t first, end;
    Bytes bytes;
  };
  const PackIndex& index_;
  const ShardReader& reader_;
  std::vector<Part> parts_;
};

class PackDataset final : public Dataset {
 public:
  PackDataset(const std::filesystem::path& pack, const OpenOptions& options)
      : index_(pack, options.check_index ? PackIndex::Check::hashes : PackIndex::Check::sizes),
        fingerprint_(index_.fingerprint()) {
    if (options.check_shards) index_.check_shards();
    if (!options.stage_dir.empty()) {
      stage_.emplace(index_.path(), index_.manifest(), fingerprint_, options.stage_dir);
      reader_.read_from(&*stage_);
    }
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(index_.manifest().images); }
  std::int64_t classes() const override {
    return static_cast<std::int64_t>(index_.manifest().classes.size());
  }
  std::string class_name(std::int64_t label) const override {
    return index_.manifest().classes.at(static_cast<std::size_t>(label)).name;
  }
  std::string class_id(std::int64_t label) const override {
    const ClassEntry& entry = index_.manifest().classes.at(static_cast<std::size_t>(label));
    return entry.wnid.empty() ? entry.name : entry.wnid;
  }
  std::int64_t label(std::int64_t index) const override { return index_.label(checked(index)); }

  std::string name(std::int64_t index) const override { return reader_.key(checked(index)); }

  std::string place(std::int64_t index) const override {
    return (index_.path() / reader_.describe(checked(index))).string();
  }

  Sample read(std::int64_t index) const override {
    return {.encoded = reader_.record(checked(index)), .image = {}, .tensor = {}};
  }

  std::unique_ptr<const Extent> read_extent(std::int64_t first, std::int64_t count) const override {
    return std::make_unique<PackExtent>(index_, reader_, checked(first), checked(first + count - 1) + 1);
  }
  ReadCount read_count() const override { return reader_.read_count(); }

  std::optional<std::int64_t> tensor_image_size() const override { return std::nullopt; }
  std::string fingerprint() const override { return fingerprint_; }
  std::string describe() const override { return index_.path().string(); }

 private:
  std::uint64_t checked(std::int64_t index) const {
    if (index < 0 || index >= size()) {
      throw std::out_of_range(fmt::format("{}: image {} of {}", describe(), index, size()));
    }
    return static_cast<std::uint64_t>(index);
  }

  const PackIndex index_;
  const std::string fingerprint_;
  std::optional<ShardStage> stage_;
  ShardReader reader_{index_};
};

}  // namespace

std::shared_ptr<const Dataset> open_pack_dataset(const std::filesystem::path& pack,
                                                 const OpenOptions& options) {
  return std::make_shared<const PackDataset>(pack, options);
}

}  // namespace vitrail::datasets
