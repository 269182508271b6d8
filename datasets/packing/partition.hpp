// The parts of ImageNet-21k, which has no official split. "21k-p": the classes with more than 500 files; of
// each the first 50, in the byte order of their names, are for validation (ImageNet-21K-P, arXiv 2104.10972).
// "hash:F": every class; a file is for validation if the hash of its key falls below the fraction F. Both are
// pure functions of names. Throws: Error(usage) for another rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vitrail::datasets {

class Partition {
 public:
  Partition() = default;  // everything
  // `split`: "train" or "val".
  static Partition parse(const std::string& rule, const std::string& split);

  // Of a class's keys (WNID/NAME), sorted: which belong to this part; none where the class is left out.
  std::optional<std::vector<bool>> select(const std::vector<std::string>& sorted_keys) const;

  // Files that belong to no class are listed with one part only, so that the counts of all parts add up.
  bool takes_strays() const { return !validation_; }
  double expected_share() const;  // of the bytes, for cutting a stream whose content is not known yet
  std::string text() const;       // "21k-p, val"; empty for everything

 private:
  enum class Rule { everything, hash, p21k };

  Rule rule_ = Rule::everything;
  double fraction_ = 0;
  bool validation_ = false;
};

}  // namespace vitrail::datasets
