#include "datasets/listed_source.hpp"

#include <limits>

#include "datasets/pack_plan.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {

std::string ListedSource::identity() const {
  std::string text = kind_ + " " + listing_.hash() + "\n" + selection_ + "\n";
  for (const ClassEntry& c : classes_) text += c.name + "\n";
  return text;
}

std::vector<SourceItem> ListedSource::items(std::uint64_t shard) const {
  std::vector<SourceItem> items;
  for (const std::uint32_t i : plan_[shard]) items.push_back(listing_.item(i));
  return items;
}

void ListedSource::plan(const std::string& source, std::uint64_t shard_bytes) {
  if (listing_.size() == 0) throw Error(ExitCode::bad_data, source + ": no images inside");
  if (listing_.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(ExitCode::bad_data, source + ": more than 2^32 files");
  }
  plan_ = plan_shards(listing_, shard_count(listing_.total_bytes(), shard_bytes));
}

}  // namespace vitrail::datasets
