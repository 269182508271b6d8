#include "datasets/subsets/relabelled.hpp"

#include <charconv>
#include <optional>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "datasets/archives/label_list.hpp"
#include "datasets/subsets/kept_samples.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

class Relabelled final : public KeptSamples {
 public:
  Relabelled(std::shared_ptr<const Dataset> base, const std::string& file)
      : KeptSamples(std::move(base)), file_(file), label_(static_cast<std::size_t>(base_->size()), kNone) {
    std::unordered_map<std::string, std::int64_t> sample_of;
    for (std::int64_t i = 0; i < base_->size(); ++i) sample_of.emplace(base_->name(i), i);
    const std::vector<LabelLine> lines = read_labelled_table(file);
    if (base_->classes() == 0) name_classes(lines);
    for (const LabelLine& line : lines) {
      const auto found = sample_of.find(line.file);
      if (found == sample_of.end())
        throw bad(line, fmt::format("{} has no image {}", base_->describe(), line.file));
      std::int32_t& label = label_[static_cast<std::size_t>(found->second)];
      if (label != kNone) throw bad(line, fmt::format("a second label for {}", line.file));
      label = label_of(line);
      kept_.add(found->second);
    }
    kept_.close();
    if (kept_.count() == 0) throw Error(ExitCode::bad_data, fmt::format("{}: no image is listed", file));
    fingerprint_ =
        hash_text(base_->fingerprint() + "\nlabels\n" + hash_bytes(std::as_bytes(std::span(label_))).hex())
            .hex();
  }

  std::int64_t label(std::int64_t index) const override {
    return label_[static_cast<std::size_t>(kept_.nth(index))];
  }
  std::string describe() const override { return fmt::format("{} (labels of {})", base_->describe(), file_); }

  std::int64_t classes() const override {
    return names_.empty() ? base_->classes() : static_cast<std::int64_t>(names_.size());
  }
  std::string class_name(std::int64_t label) const override {
    return names_.empty() ? base_->class_name(label) : names_.at(static_cast<std::size_t>(label));
  }
  std::string class_id(std::int64_t label) const override {
    return names_.empty() ? base_->class_id(label) : class_name(label);
  }

 private:
  static constexpr std::int32_t kNone = -1;

  Error bad(const LabelLine& line, const std::string& what) const {
    return {ExitCode::bad_data, fmt::format("{}: line {}: {}", file_, line.line, what),
            "a table of images and labels is what `vitrail predict --output labels.csv` writes"};
  }

  static std::optional<std::int32_t> index_in(const LabelLine& line) {
    std::int32_t label = 0;
    const char* const end = line.label.data() + line.label.size();
    const auto [stop, error] = std::from_chars(line.label.data(), end, label);
    return error == std::errc() && stop == end && label >= 0 ? std::optional(label) : std::nullopt;
  }

  // Of images that have no classes: as many as there are indices, called as the table does.
  void name_classes(const std::vector<LabelLine>& lines) {
    for (const LabelLine& line : lines) {
      const auto label = index_in(line);
      if (!label || *label >= kMostClasses) continue;  // said below
      const auto place = static_cast<std::size_t>(*label);
      for (std::size_t c = names_.size(); c <= place; ++c) names_.push_back(std::to_string(c));
      if (!line.class_name.empty()) names_[place] = line.class_name;
    }
  }

  std::int32_t label_of(const LabelLine& line) const {
    if (const auto label = index_in(line); label && *label < classes()) return *label;
    throw bad(line, fmt::format("the label {} is no index of the {} classes of {}", line.label, classes(),
                                names_.empty() ? base_->describe() : file_));
  }

  static constexpr std::int32_t kMostClasses = 1'000'000;
  const std::string file_;
  std::vector<std::string> names_;   // empty: the base's
  std::vector<std::int32_t> label_;  // by the base's sample
};

}  // namespace

std::shared_ptr<const Dataset> relabel(std::shared_ptr<const Dataset> dataset, const std::string& file) {
  try {
    return std::make_shared<const Relabelled>(std::move(dataset), file);
  } catch (const Error& e) {
    throw e.in("data.labels");
  }
}

}  // namespace vitrail::datasets
