#include "datasets/packing/partition.hpp"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "trainer/base/error.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::size_t kMoreThan = 500;  // files of a class that 21k-P keeps
constexpr std::size_t kFirst = 50;      // of them for validation

// Another hash than that of the shards, so that validation images come from all of them.
bool falls_below(const std::string& key, double fraction) {
  const Hash128 hash = hash_text("validation\n" + key);
  return std::ldexp(static_cast<double>(hash.high >> 11), -53) < fraction;
}

}  // namespace

Partition Partition::parse(const std::string& rule, const std::string& split) {
  Partition partition;
  if (split != "train" && split != "val") {
    throw Error(ExitCode::usage, fmt::format("split {}: ImageNet-21k is cut into train and val", split),
                "give --split train or --split val");
  }
  partition.validation_ = split == "val";
  if (rule == "21k-p") {
    partition.rule_ = Rule::p21k;
    return partition;
  }
  const std::string number = rule.starts_with("hash:") ? rule.substr(5) : "";
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), partition.fraction_);
  const bool read = error == std::errc() && end == number.data() + number.size() && !number.empty();
  if (!read || !(partition.fraction_ >= 0 && partition.fraction_ < 1)) {
    throw Error(ExitCode::usage, fmt::format("validation {}: not a rule", rule),
                "rules are 21k-p and hash:FRACTION with 0 <= FRACTION < 1");
  }
  partition.rule_ = Rule::hash;
  return partition;
}

std::optional<std::vector<bool>> Partition::select(const std::vector<std::string>& sorted_keys) const {
  std::vector<bool> selected(sorted_keys.size(), true);
  if (rule_ == Rule::p21k) {
    if (sorted_keys.size() <= kMoreThan) return std::nullopt;
    for (std::size_t i = 0; i < selected.size(); ++i) selected[i] = (i < kFirst) == validation_;
  } else if (rule_ == Rule::hash) {
    for (std::size_t i = 0; i < selected.size(); ++i) {
      selected[i] = falls_below(sorted_keys[i], fraction_) == validation_;
    }
  }
  return selected;
}

double Partition::expected_share() const {
  switch (rule_) {
    case Rule::p21k:
      return validation_ ? 0.04 : 0.84;  // of winter21: 522,500 and 11,060,223 of 13.15 million
    case Rule::hash:
      return validation_ ? fraction_ : 1 - fraction_;
    case Rule::everything:
      break;
  }
  return 1;
}

std::string Partition::text() const {
  const char* part = validation_ ? "val" : "train";
  switch (rule_) {
    case Rule::p21k:
      return fmt::format("21k-p, {}", part);
    case Rule::hash:
      return fmt::format("hash:{}, {}", fraction_, part);
    case Rule::everything:
      break;
  }
  return {};
}

}  // namespace vitrail::datasets
