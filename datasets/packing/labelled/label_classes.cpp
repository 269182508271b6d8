#include "datasets/packing/labelled/label_classes.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "datasets/packing/sources/class_archives.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/written_text.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::uint32_t kMaxClasses = 1'000'000;

std::optional<std::uint32_t> class_number(const std::string& text) {
  std::uint32_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || stop != text.data() + text.size() || number >= kMaxClasses) return std::nullopt;
  return number;
}

Error no_class(const MetLabels::Met& met, const KnownClasses& known) {
  return {ExitCode::bad_data, fmt::format("{}: {} is no class of {}", met.place, met.label, known.said_by),
          "every label is one of the classes that are known"};
}

// "7" and "07" are one class.
LabelClasses numbered(const MetLabels& labels, const KnownClasses& known, const std::string& source) {
  LabelClasses made;
  std::set<std::uint32_t> used;
  for (const auto& met : labels.met()) {
    made.index_of.push_back(*class_number(met.label));
    used.insert(made.index_of.back());
    if (!known.classes.empty() && made.index_of.back() >= known.classes.size()) throw no_class(met, known);
  }
  made.classes = known.classes;
  if (!made.classes.empty()) return made;
  const std::uint32_t last = *used.rbegin();
  for (std::uint32_t c = 0; c <= last; ++c) made.classes.push_back({std::to_string(c), ""});
  if (used.size() != made.classes.size()) {
    std::uint32_t missing = 0;
    while (used.contains(missing)) ++missing;
    made.warnings.push_back(
        fmt::format("{}: labels up to {}, but no image of {} of these {} classes, the first {}: do "
                    "labels begin with 0?",
                    source, last, made.classes.size() - used.size(), made.classes.size(), missing));
  }
  return made;
}

void refuse_numbers_as_names(const MetLabels& labels) {
  const auto is_one = [](const auto& met) { return is_number(met.label); };
  const auto is_index = [](const auto& met) { return is_class_number(met.label); };
  const auto first = std::ranges::find_if(labels.met(), is_one);
  if (first == labels.met().end()) return;
  const auto odd = std::ranges::find_if_not(labels.met(), is_index);
  const std::string of_others = odd == first ? "" : fmt::format(", and that of {} is a number", first->place);
  throw Error(
      ExitCode::bad_data,
      fmt::format("{}: the label {} is no index of a class{}", odd->place, odd->label, of_others),
      fmt::format("labels are either all indices, 0 to {}, or all names; leave images without a class "
                  "out",
                  kMaxClasses - 1));
}

// By wnid, and by name where only one class has it (ImageNet-1k has two "crane").
std::map<std::string, std::uint32_t> indices_by_name(const std::vector<ClassEntry>& classes) {
  std::map<std::string, std::uint32_t> indices;
  std::map<std::string, int> times;
  for (const ClassEntry& entry : classes) ++times[entry.name];
  for (std::uint32_t c = 0; c < classes.size(); ++c) {
    if (times[classes[c].name] == 1) indices[classes[c].name] = c;
    if (!classes[c].wnid.empty()) indices[classes[c].wnid] = c;
  }
  return indices;
}

}  // namespace

std::uint32_t MetLabels::add(const std::string& label, const std::function<std::string()>& place) {
  const auto [entry, is_new] = number_.emplace(label, static_cast<std::uint32_t>(met_.size()));
  if (!is_new) return entry->second;
  met_.push_back({label, place()});
  if (!is_utf8(label)) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: the label {} is not UTF-8", met_.back().place, printable(label)),
                "write the labels again as UTF-8");
  }
  return entry->second;
}

bool is_class_number(const std::string& text) { return class_number(text).has_value(); }

bool is_number(const std::string& text) {
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error != std::errc::invalid_argument && stop == text.data() + text.size();
}

LabelClasses classes_of(const MetLabels& labels, const KnownClasses& known, const std::string& source) {
  const bool all_numbers =
      !labels.met().empty() && (known.classes.empty() || known.by_number) &&
      std::ranges::all_of(labels.met(), [](const auto& met) { return is_class_number(met.label); });
  if (all_numbers) return numbered(labels, known, source);
  auto indices = indices_by_name(known.classes);
  LabelClasses made;
  made.classes = known.classes;
  if (known.classes.empty()) {
    refuse_numbers_as_names(labels);
    std::set<std::string> names;
    for (const auto& met : labels.met()) names.insert(met.label);
    for (const std::string& name : names) made.classes.push_back({name, is_wnid(name) ? name : ""});
    indices = indices_by_name(made.classes);
  }
  for (const auto& met : labels.met()) {
    const auto found = indices.find(met.label);
    if (found == indices.end()) throw no_class(met, known);
    made.index_of.push_back(found->second);
  }
  return made;
}

std::vector<ClassEntry> read_class_names(const std::filesystem::path& path) {
  std::vector<ClassEntry> classes;
  const std::string text = read_written_text(path, ExitCode::bad_data);
  if (!is_utf8(text)) {
    throw Error(ExitCode::bad_data, fmt::format("{}: no list of classes: it is not text", path.string()),
                "a list has a class a line: NAME, or WNID NAME");
  }
  std::istringstream in(text);
  std::map<std::string, std::size_t> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    const std::string first = line.substr(0, line.find_first_of(" \t"));
    ClassEntry entry{line, is_wnid(first) ? first : ""};
    if (is_wnid(first) && line.size() > first.size() + 1) entry.name = line.substr(first.size() + 1);
    const auto [seen, is_new] = lines.emplace(entry.wnid + "\n" + entry.name, classes.size() + 1);
    if (line.empty() || !is_new) {
      throw Error(ExitCode::bad_data,
                  line.empty() ? fmt::format("{}: line {} is empty", path.string(), classes.size() + 1)
                               : fmt::format("{}: lines {} and {} are one class", path.string(), seen->second,
                                             classes.size() + 1),
                  "a list has a class a line, whose number from 0 is the class's index");
    }
    classes.push_back(std::move(entry));
  }
  if (classes.empty()) throw Error(ExitCode::bad_data, fmt::format("{}: no class inside", path.string()));
  return classes;
}

}  // namespace vitrail::datasets
