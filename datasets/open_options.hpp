// How a data set is opened: what is looked at first, which of its classes and images count, whose labels they
// have, where its files are copied.
#pragma once

#include <cstdint>
#include <string>

namespace vitrail::datasets {

// Of images that have none. needed: they do not count, and a source without any is refused. optional: they do
// not count, but where none has one, all do. unused: they count.
enum class Labels { needed, optional, unused };

// Which images count (sample_subset.hpp).
struct SubsetOptions {
  std::string part = {};  // "1%", "25/class", "list:FILE"; empty: all
  bool balanced = false;
  std::int64_t seed = 0;

  bool operator==(const SubsetOptions&) const = default;
};

struct OpenOptions {
  std::string given_as = "data source";  // what names the source, for errors: "data.train =", "--data"

  // Others may have looked already: what is then wrong all the same is found when it is used.
  bool check_index = true;   // a pack's index by its hash
  bool check_shards = true;  // that all files of a pack are there, with the right sizes

  std::string classes = {};  // file with a class a line: only their samples, renumbered in that order
  std::string labels = {};   // file of images and labels (relabelled.hpp): others are left out
  SubsetOptions subset = {};
  std::string coarse = {};  // file of coarser classes (coarse_classes.hpp) that stand in the classes' place
  std::string stage_dir = {};  // folder on the node's own disk: a pack's shards are copied there meanwhile

  bool operator==(const OpenOptions&) const = default;
};

}  // namespace vitrail::datasets
