// From labels as text to classes. Labels that are all numbers are the classes' indices; others are ranked in
// byte order. Which classes there are may be known: those of ImageNet's devkit, or of a list of names.
// Throws: Error(bad_data) naming the place of a label that is no class, and for numbers that are no index or
// stand beside names: ranked as names, they would shift labels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "datasets/pack/pack_format.hpp"

namespace vitrail::datasets {

// The different labels of a source, in the order in which they are met.
class MetLabels {
 public:
  struct Met {
    std::string label;
    std::string place;  // where it was first met: "val.csv: line 7"
  };

  std::uint32_t add(const std::string& label,
                    const std::function<std::string()>& place);  // its place in met()
  const std::vector<Met>& met() const { return met_; }

 private:
  std::vector<Met> met_;
  std::unordered_map<std::string, std::uint32_t> number_;
};

// The classes that are known beforehand, if any, and what says so.
struct KnownClasses {
  std::vector<ClassEntry> classes;
  std::string said_by;
  bool by_number = false;  // a label may be a class's index; else it is a wnid or a name
};

struct LabelClasses {
  std::vector<ClassEntry> classes;
  std::vector<std::uint32_t> index_of;  // the class of each met label
  std::vector<std::string> warnings;
};

LabelClasses classes_of(const MetLabels& labels, const KnownClasses& known, const std::string& source);

bool is_class_number(const std::string& text);  // of digits alone, below a million
bool is_number(const std::string& text);        // "-1" and "3.0", too

// A class a line, NAME or WNID NAME, as Kaggle's LOC_synset_mapping.txt; the line is the class's index.
std::vector<ClassEntry> read_class_names(const std::filesystem::path& path);

}  // namespace vitrail::datasets
