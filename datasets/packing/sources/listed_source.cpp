#include "datasets/packing/sources/listed_source.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "datasets/pack/pack_plan.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

// For every shard its images (positions in `listing`) in the order they are written.
std::vector<std::vector<std::uint32_t>> plan_shards(const Listing& listing, std::uint64_t shards) {
  std::vector<std::vector<std::pair<std::uint64_t, std::uint32_t>>> ordered(shards);
  for (std::uint32_t i = 0; i < listing.size(); ++i) {
    const PlanKey key = plan_key(listing.key(i), shards);
    ordered[key.shard].emplace_back(key.place, i);
  }
  std::vector<std::vector<std::uint32_t>> plan(shards);
  for (std::size_t s = 0; s < shards; ++s) {
    std::ranges::sort(ordered[s]);
    plan[s].reserve(ordered[s].size());
    for (const auto& [place, item] : ordered[s]) plan[s].push_back(item);
    ordered[s] = {};
  }
  return plan;
}

}  // namespace

Flaw flaw_in_tree(const TreeFile& file, const std::string& key) {
  if (is_in_system_folder(file.name)) return Flaw::system_folder;
  if (is_hidden(file.name)) return Flaw::hidden;
  return file.is_loop ? Flaw::link_loop : flaw_of(key, file.bytes, file.is_file);
}

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
  for (std::size_t i = 0; i < listing_.size(); ++i) {
    if (listing_.flaw(i) == Flaw::none) refuse_leading_out(listing_.key(i));
  }
  plan_ = plan_shards(listing_, shard_count(listing_.total_bytes(), shard_bytes));
}

}  // namespace vitrail::datasets
