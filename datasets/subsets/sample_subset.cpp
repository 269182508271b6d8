#include "datasets/subsets/sample_subset.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "datasets/subsets/kept_samples.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::string_view kList = "list:", kPerClass = "/class";

struct Part {
  double percent = 0;     // of all, or of each class
  std::int64_t each = 0;  // images of a class
  std::string list = {};  // file of names
};

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Part> parse(std::string_view text) {
  if (text.starts_with(kList) && text.size() > kList.size())
    return Part{.list = std::string(text.substr(kList.size()))};
  if (text.ends_with(kPerClass)) {
    const auto each = number<std::int64_t>(text.substr(0, text.size() - kPerClass.size()));
    return each && *each > 0 ? std::optional(Part{.each = *each}) : std::nullopt;
  }
  if (!text.ends_with('%')) return std::nullopt;
  const auto percent = number<double>(text.substr(0, text.size() - 1));
  return percent && *percent > 0 && *percent <= 100 ? std::optional(Part{.percent = *percent}) : std::nullopt;
}

class SampleSubset final : public KeptSamples {
 public:
  SampleSubset(std::shared_ptr<const Dataset> base, const SubsetOptions& options)
      : KeptSamples(std::move(base)), options_(options) {
    const auto part = parse(options.part);
    if (!part) {
      throw Error(ExitCode::usage, "no part of a data set", "for example 1%, 25/class or list:FILE");
    }
    if (!part->list.empty()) {
      keep_listed(part->list);
    } else {
      keep_drawn(*part);
    }
    kept_.close();
    if (kept_.count() == 0) {
      throw Error(ExitCode::refused,
                  fmt::format("leaves no image of the {} of {}", base_->size(), base_->describe()));
    }
    Hasher hasher;
    for (std::int64_t n = 0; n < kept_.count(); ++n) {
      const std::int64_t sample = kept_.nth(n);
      hasher.update(std::as_bytes(std::span(&sample, 1)));
    }
    fingerprint_ = hash_text(base_->fingerprint() + "\nsubset\n" + hasher.digest().hex()).hex();
  }

  std::string describe() const override { return fmt::format("{} ({})", base_->describe(), options_.part); }

 private:
  using Drawn = std::pair<std::uint64_t, std::int64_t>;  // priority, sample

  void keep_drawn(const Part& part) {
    const bool by_class = part.each > 0 || options_.balanced;
    if (by_class && base_->classes() == 0) {
      throw Error(ExitCode::bad_data,
                  fmt::format("wants so many images of each class, but {} has no labels", base_->describe()),
                  "data.labels names a table of labels; data.subset = P% without data.subset_balanced draws "
                  "among all images, for a task that learns without");
    }
    std::vector<std::vector<Drawn>> groups(by_class ? static_cast<std::size_t>(base_->classes()) : 1);
    for (std::int64_t i = 0; i < base_->size(); ++i) {
      const auto group = by_class ? static_cast<std::size_t>(base_->label(i)) : 0;
      groups[group].emplace_back(
          Philox(static_cast<std::uint64_t>(options_.seed), Purpose::subset, 0, static_cast<std::uint64_t>(i))
              .next_u64(),
          i);
    }
    const double wanted = part.percent / 100 * static_cast<double>(base_->size());
    std::int64_t each = part.each;
    if (each == 0) {
      const double of_one = std::round(wanted / static_cast<double>(groups.size()));
      each = std::max<std::int64_t>(1, static_cast<std::int64_t>(of_one));
    }
    for (std::vector<Drawn>& group : groups) {
      const auto end = group.begin() + std::min<std::ptrdiff_t>(each, std::ssize(group));
      std::partial_sort(group.begin(), end, group.end());
      for (auto drawn = group.begin(); drawn != end; ++drawn) kept_.add(drawn->second);
    }
  }

  void keep_listed(const std::string& file) {
    std::unordered_map<std::string, std::int64_t> sample_of,
        by_last;  // by name; by what is behind the last "/"
    constexpr std::int64_t kAmbiguous = -1;
    for (std::int64_t i = 0; i < base_->size(); ++i) {
      const std::string name = base_->name(i);
      sample_of.emplace(name, i);
      const auto [place, is_new] = by_last.emplace(name.substr(name.rfind('/') + 1), i);
      if (!is_new) place->second = kAmbiguous;
    }
    sample_of.merge(by_last);  // a whole name is before the last part of another
    std::istringstream lines(read_written_text(file, ExitCode::bad_data));
    std::int64_t line = 0;
    for (std::string text; std::getline(lines, text);) {
      ++line;
      text.erase(text.find_last_not_of(" \t\r") + 1);
      if (text.empty()) continue;
      const auto found = sample_of.find(text);
      if (found == sample_of.end() || found->second == kAmbiguous) {
        throw Error(
            ExitCode::refused,
            fmt::format("{}: line {}: {} has {} image {}", file, line, base_->describe(),
                        found == sample_of.end() ? "no" : "more than one", text),
            "a list has the name of an image a line, as `vitrail predict` prints it, or its last part");
      }
      kept_.add(found->second);
    }
  }

  const SubsetOptions options_;
};

}  // namespace

bool is_subset(const std::string& text) { return parse(text).has_value(); }

std::shared_ptr<const Dataset> keep_subset(std::shared_ptr<const Dataset> dataset,
                                           const SubsetOptions& options) {
  try {
    return std::make_shared<const SampleSubset>(std::move(dataset), options);
  } catch (const Error& e) {
    throw e.in("data.subset = " + options.part);
  }
}

}  // namespace vitrail::datasets
