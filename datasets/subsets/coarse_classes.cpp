#include "datasets/subsets/coarse_classes.hpp"

#include <map>
#include <sstream>
#include <utility>

#include "datasets/subsets/kept_samples.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

std::string file_text(const std::string& file) {
  try {
    return read_written_text(file, ExitCode::usage);
  } catch (const Error& e) {
    throw e.in("data.coarse");
  }
}

std::string without_blanks(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
}

// A class's name may have commas itself, its coarse class's not.
std::pair<std::string, std::string> two_fields(const std::string& text) {
  const std::size_t tab = text.find('\t');
  const std::size_t at = tab != std::string::npos ? tab : text.rfind(',');
  if (at == std::string::npos) return {};
  return {without_blanks(text.substr(0, at)), without_blanks(text.substr(at + 1))};
}

std::map<std::string, std::int64_t> coarse_by_class(const std::string& file,
                                                    std::vector<std::string>& names) {
  std::map<std::string, std::int64_t> coarse_of, number_of;
  std::istringstream lines(file_text(file));
  std::string text;
  for (int line = 1; std::getline(lines, text); ++line) {
    if (without_blanks(text).empty() || text.front() == '#') continue;
    const auto [id, coarse] = two_fields(text);
    if (id.empty() || coarse.empty()) {
      throw Error(ExitCode::usage,
                  fmt::format("data.coarse: {}:{}: expected CLASS,COARSE, got \"{}\"", file, line, text));
    }
    const auto number = number_of.emplace(coarse, static_cast<std::int64_t>(names.size()));
    if (number.second) names.push_back(coarse);
    if (!coarse_of.emplace(id, number.first->second).second)
      throw Error(ExitCode::usage, fmt::format("data.coarse: {}:{}: a second line for {}", file, line, id));
  }
  return coarse_of;
}

class Coarsened final : public KeptSamples {
 public:
  Coarsened(std::shared_ptr<const Dataset> base, const std::string& file)
      : KeptSamples(std::move(base)), file_(file), classes_(read_coarse_classes(*base_, file)) {
    for (std::int64_t i = 0; i < base_->size(); ++i) kept_.add(i);
    kept_.close();
    std::string told = base_->fingerprint() + "\ncoarse\n";
    for (const std::int64_t coarse : classes_.of_class) told += class_name(coarse) + "\n";
    fingerprint_ = hash_text(told).hex();
  }

  std::int64_t classes() const override { return static_cast<std::int64_t>(classes_.names.size()); }
  std::string class_name(std::int64_t label) const override {
    return classes_.names.at(static_cast<std::size_t>(label));
  }
  std::string class_id(std::int64_t label) const override { return class_name(label); }
  std::int64_t label(std::int64_t index) const override {
    return classes_.of_class.at(static_cast<std::size_t>(base_->label(index)));
  }
  std::string describe() const override {
    return fmt::format("{} (coarse classes of {})", base_->describe(), file_);
  }

 private:
  const std::string file_;
  const CoarseClasses classes_;
};

}  // namespace

CoarseClasses read_coarse_classes(const Dataset& dataset, const std::string& file) {
  if (dataset.classes() == 0)
    throw Error(ExitCode::bad_data, fmt::format("data.coarse: {} has no labels", dataset.describe()),
                "name images with labels; data.labels names a table of labels for data.train");
  CoarseClasses classes;
  const std::map<std::string, std::int64_t> coarse_of = coarse_by_class(file, classes.names);
  for (std::int64_t label = 0; label < dataset.classes(); ++label) {
    const auto found = coarse_of.find(dataset.class_id(label));
    if (found == coarse_of.end()) {
      throw Error(ExitCode::refused,
                  fmt::format("data.coarse: {} has no line for {}, a class of {}", file,
                              dataset.class_id(label), dataset.describe()),
                  "classes are called by wnid, or by name where they have none");
    }
    classes.of_class.push_back(found->second);
  }
  return classes;
}

std::shared_ptr<const Dataset> coarsen(std::shared_ptr<const Dataset> dataset, const std::string& file) {
  return std::make_shared<const Coarsened>(std::move(dataset), file);
}

}  // namespace vitrail::datasets
