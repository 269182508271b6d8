#include "datasets/subsets/class_subset.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include "datasets/subsets/kept_samples.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::int64_t kDropped = -1;

struct ListedClass {
  std::string id;
  int line = 0;
};

std::string text_of(const std::string& file) {
  try {
    return read_written_text(file, ExitCode::usage);
  } catch (const Error& e) {
    throw e.in("data.classes");
  }
}

std::vector<ListedClass> read_list(const std::string& file) {
  std::vector<ListedClass> list;
  std::map<std::string, int> seen;
  std::istringstream lines(text_of(file));
  std::string text;
  for (int line = 1; std::getline(lines, text); ++line) {
    // A remark begins the line or follows a blank: a class may have a # in its name.
    for (std::size_t at = text.find('#'); at != std::string::npos; at = text.find('#', at + 1)) {
      if (at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t') text.erase(at);
    }
    const std::size_t begin = text.find_first_not_of(" \t\r");
    if (begin == std::string::npos) continue;
    const std::string id = text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
    if (const auto [first, fresh] = seen.emplace(id, line); !fresh) {
      throw Error(ExitCode::usage,
                  fmt::format("data.classes: {}:{}: {} is on line {}, too", file, line, id, first->second));
    }
    list.push_back({id, line});
  }
  if (list.empty()) throw Error(ExitCode::usage, fmt::format("data.classes: {}: no class is listed", file));
  return list;
}

class ClassSubset final : public KeptSamples {
 public:
  ClassSubset(std::shared_ptr<const Dataset> base, const std::string& file)
      : KeptSamples(std::move(base)),
        file_(file),
        label_of_(static_cast<std::size_t>(base_->classes()), kDropped) {
    if (base_->classes() == 0)
      throw Error(ExitCode::bad_data, fmt::format("data.classes: {} has no labels", base_->describe()),
                  "leave data.classes out");
    std::map<std::string, std::int64_t> base_label;
    for (std::int64_t label = 0; label < base_->classes(); ++label) {
      base_label.emplace(base_->class_id(label), label);
    }
    std::string ids;
    for (const ListedClass& listed : read_list(file)) {
      const auto found = base_label.find(listed.id);
      if (found == base_label.end()) {
        throw Error(ExitCode::refused,
                    fmt::format("data.classes: {}:{}: {} has no class {}", file, listed.line,
                                base_->describe(), listed.id),
                    "classes are called by wnid, or by name where they have none; take that line out");
      }
      label_of_[static_cast<std::size_t>(found->second)] = static_cast<std::int64_t>(listed_.size());
      listed_.push_back(found->second);
      ids += listed.id + "\n";
    }
    for (std::int64_t i = 0; i < base_->size(); ++i) {
      if (label_of_[static_cast<std::size_t>(base_->label(i))] != kDropped) kept_.add(i);
    }
    kept_.close();
    if (kept_.count() == 0) {
      throw Error(ExitCode::refused,
                  fmt::format("{}: the classes of data.classes = {} have no image", base_->describe(), file));
    }
    fingerprint_ = hash_text(base_->fingerprint() + "\n" + ids).hex();
  }

  std::int64_t classes() const override { return static_cast<std::int64_t>(listed_.size()); }
  std::string class_name(std::int64_t label) const override { return base_->class_name(of_base(label)); }
  std::string class_id(std::int64_t label) const override { return base_->class_id(of_base(label)); }
  std::int64_t label(std::int64_t index) const override {
    return label_of_[static_cast<std::size_t>(base_->label(kept_.nth(index)))];
  }
  std::string describe() const override {
    return fmt::format("{} (classes of {})", base_->describe(), file_);
  }

 private:
  std::int64_t of_base(std::int64_t label) const { return listed_.at(static_cast<std::size_t>(label)); }

  const std::string file_;
  std::vector<std::int64_t> label_of_;  // by the data set's label
  std::vector<std::int64_t> listed_;    // the data set's labels, as listed
};

}  // namespace

std::shared_ptr<const Dataset> keep_classes(std::shared_ptr<const Dataset> dataset, const std::string& file) {
  return std::make_shared<const ClassSubset>(std::move(dataset), file);
}

}  // namespace vitrail::datasets
