// What the outputs of a model are called: as the classes of a pack that the user names, as its checkpoint
// recorded, or as those of the data where they are as many; else by number, which is said where the data have
// names. Throws: Error(refused) for a pack of another number of classes; what opening data throws.
#pragma once

#include <string>
#include <vector>

#include "trainer/settings/config.hpp"

namespace vitrail::datasets {
class Dataset;
}

namespace vitrail::launcher {

class ClassNames {
 public:
  // `pack`, `checkpoint`: empty: none.
  ClassNames(const std::string& pack, const std::string& checkpoint, const trainer::Config& config);

  std::string operator[](std::int64_t label) const;

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(names_.size()); }
  void take(const datasets::Dataset& dataset);

  std::vector<std::string> names_;
};

}  // namespace vitrail::launcher
