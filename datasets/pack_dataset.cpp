#include "datasets/pack_dataset.hpp"

#include <fmt/format.h>

#include "datasets/pack_index.hpp"
#include "datasets/shard_reader.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

class PackDataset final : public Dataset {
 public:
  explicit PackDataset(const std::filesystem::path& pack) : index_(pack), fingerprint_(index_.fingerprint()) {
    index_.check_shards();
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(index_.manifest().images); }
  std::int64_t classes() const override {
    return static_cast<std::int64_t>(index_.manifest().classes.size());
  }
  std::string class_name(std::int64_t label) const override {
    return index_.manifest().classes.at(static_cast<std::size_t>(label)).name;
  }
  std::int64_t label(std::int64_t index) const override { return index_.label(checked(index)); }

  std::string name(std::int64_t index) const override { return reader_.key(checked(index)); }

  std::string place(std::int64_t index) const override {
    return (index_.path() / reader_.describe(checked(index))).string();
  }

  Sample read(std::int64_t index) const override {
    return {.encoded = reader_.record(checked(index)), .image = {}, .tensor = {}};
  }

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
  const ShardReader reader_{index_};
  const std::string fingerprint_;
};

}  // namespace

std::shared_ptr<const Dataset> open_pack_dataset(const std::filesystem::path& pack) {
  return std::make_shared<const PackDataset>(pack);
}

}  // namespace vitrail::datasets
