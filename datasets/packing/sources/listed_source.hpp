// A source whose files can be listed and then read in any order: everything but compressed archives.
// Who inherits fills listing_ and classes_, then calls plan(). Throws: Error(bad_data) for an empty one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datasets/archives/file_tree.hpp"
#include "datasets/packing/pack_sources.hpp"

namespace vitrail::datasets {

// Of a file below a folder that is taken with all it holds; its name there says whether it is hidden.
Flaw flaw_in_tree(const TreeFile& file, const std::string& key);

class ListedSource : public Source {
 public:
  std::string identity() const final;
  std::uint64_t shards() const final { return plan_.size(); }
  const std::vector<ClassEntry>& classes() const final { return classes_; }
  std::uint64_t images() const final { return listing_.size(); }
  std::uint64_t longest_key() const final { return listing_.longest_key(); }
  std::string selection() const final { return selection_; }
  std::uint64_t images_of(std::uint64_t shard) const final { return plan_[shard].size(); }
  std::vector<SourceItem> items(std::uint64_t shard) const final;
  std::vector<std::string> warnings() const final { return warnings_; }

 protected:
  void plan(const std::string& source, std::uint64_t shard_bytes);

  Listing listing_;
  std::vector<ClassEntry> classes_;
  std::string kind_;  // first word of the identity, with whatever else decides the content
  std::string selection_;
  std::vector<std::string> warnings_;

 private:
  std::vector<std::vector<std::uint32_t>> plan_;
};

}  // namespace vitrail::datasets
