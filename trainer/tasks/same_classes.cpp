#include "trainer/tasks/same_classes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::trainer {
namespace {

bool is_number(const std::string& id) {
  return !id.empty() && id.find_first_not_of("0123456789") == std::string::npos;
}

// IDX and tensor files and ImageNet-V2 have numbers for the classes that others call by name: each stands for
// its own index.
bool may_be_same(const std::string& one, const std::string& other, std::int64_t index) {
  if (one == other) return true;
  if (is_number(one) == is_number(other)) return false;
  const std::string& number = is_number(one) ? one : other;
  const std::size_t digit = std::min(number.find_first_not_of('0'), number.size() - 1);
  return number.substr(digit) == std::to_string(index);
}

}  // namespace

std::vector<std::string> class_ids(const datasets::Dataset& dataset) {
  std::vector<std::string> ids;
  for (std::int64_t k = 0; k < dataset.classes(); ++k) ids.push_back(dataset.class_id(k));
  return ids;
}

void check_same_classes(const std::vector<std::string>& known, const std::string& where,
                        const datasets::Dataset& dataset) {
  const auto both = std::min(static_cast<std::int64_t>(known.size()), dataset.classes());
  for (std::int64_t k = 0; k < both; ++k) {
    const std::string& ours = known[static_cast<std::size_t>(k)];
    const std::string theirs = dataset.class_id(k);
    // Checkpoints of earlier builds have names where there are wnids.
    if (may_be_same(ours, theirs, k) || ours == dataset.class_name(k)) continue;
    throw Error(ExitCode::refused,
                fmt::format("{}: class {} is {}, that of {} is {}: their labels mean different things",
                            dataset.describe(), k, theirs, where, ours),
                "pack the one from folders called as those of the other (an empty one for a class without "
                "images), or list the classes that both have in a file for data.classes");
  }
}

}  // namespace vitrail::trainer
