// Packs of test archives: a scratch folder, and what is in a pack as a map from keys.
#pragma once

#include <map>
#include <string>

#include "datasets/pack/pack_index.hpp"
#include "datasets/pack/shard_reader.hpp"
#include "tests/archives/archives.hpp"
#include "tests/unit/datasets/pack_fixture.hpp"

namespace vitrail::datasets {

class ArchivePackTest : public PackTest {
 protected:
  struct Entry {
    std::uint32_t label = 0;
    std::string bytes;

    bool operator==(const Entry&) const = default;
  };

  std::map<std::string, Entry> records(const std::string& pack) const {
    const PackIndex index(dir_ / pack);
    const ShardReader reader(index);
    std::map<std::string, Entry> entries;
    for (std::uint64_t i = 0; i < index.manifest().images; ++i) {
      const auto bytes = reader.record(i);
      const bool is_new =
          entries
              .emplace(printable(reader.key(i)),
                       Entry{index.label(i), {reinterpret_cast<const char*>(bytes.data()), bytes.size()}})
              .second;
      EXPECT_TRUE(is_new) << printable(reader.key(i));
    }
    return entries;
  }

  using Labels = std::map<std::string, std::uint32_t>;

  // By key, of a pack made anew; its classes' names and its warnings stay behind.
  Labels labels_of(PackOptions o) {
    warnings_.clear();
    o.warn = [&](const std::string& text) { warnings_.push_back(text); };
    fs::remove_all(o.output);
    pack(o);
    names_.clear();
    for (const ClassEntry& c : read_manifest(o.output).classes) names_.push_back(c.name);
    Labels labels;
    for (const auto& [key, entry] : records(o.output.filename().string())) labels[key] = entry.label;
    return labels;
  }

  // Key -> reason.
  std::map<std::string, std::string> quarantine(const std::string& pack) const {
    std::map<std::string, std::string> reasons;
    std::istringstream lines(read_text(dir_ / pack / kQuarantineFile));
    for (std::string line; std::getline(lines, line);) {
      const std::string middle = R"(","reason":")";
      const auto at = line.find(middle);
      reasons[line.substr(8, at - 8)] = line.substr(at + middle.size());
    }
    return reasons;
  }

  // Small shards, so that there are several.
  void expect_same_bytes(PackOptions o) const {
    o.output = dir_ / "one";
    pack(o);
    const auto bytes = contents("one");
    EXPECT_GT(bytes.size(), 5U);
    for (const int world : {2, 4}) {
      const std::string name = fmt::format("world{}", world);
      o.output = dir_ / name;
      o.threads = 3;
      // The last rank completes what the others have left; that is rank 0, as only it may.
      for (int rank = world - 1; rank >= 0; --rank) pack(o, {rank, world, [] {}});
      EXPECT_EQ(contents(name), bytes) << world;
    }
  }

  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  std::vector<std::string> names_, warnings_;  // after labels_of()
};

}  // namespace vitrail::datasets
