#include "trainer/tasks/real_labels.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::trainer {
namespace {

Error wrong(const std::string& file, const std::string& why) {
  return {ExitCode::bad_data, fmt::format("{}: {}", file, why),
          "evaluate.real_labels wants the file real.json of the data set that data.val is"};
}

// "a/ILSVRC2012_val_00000012.JPEG" -> 12; 0: it ends in no number.
std::size_t number_of(const std::string& name) {
  const std::string stem = std::filesystem::path(name).stem().string();
  std::size_t number = 0;
  const auto digits = stem.find_last_not_of("0123456789") + 1;
  std::from_chars(stem.data() + digits, stem.data() + stem.size(), number);
  return number;
}

nlohmann::json parsed(const std::string& file) {
  try {
    return nlohmann::json::parse(read_text(file), nullptr, false);
  } catch (const Error& e) {
    throw e.in("evaluate.real_labels");
  }
}

const nlohmann::json* entry_of(const nlohmann::json& all, const std::string& name) {
  if (all.is_object()) {
    const auto found = all.find(name);
    return found == all.end() ? nullptr : &*found;
  }
  const std::size_t number = number_of(name);
  return number == 0 || number > all.size() ? nullptr : &all[number - 1];
}

}  // namespace

RealLabels::RealLabels(const std::string& file, const datasets::Dataset& dataset, std::int64_t classes) {
  const nlohmann::json all = parsed(file);
  if (!all.is_array() && !all.is_object()) throw wrong(file, "no JSON list of lists of classes");
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const nlohmann::json* entry = entry_of(all, dataset.name(i));
    if (entry == nullptr || !entry->is_array())
      throw wrong(file, fmt::format("no labels for {} of {}", dataset.name(i), dataset.describe()));
    std::vector<std::int64_t>& labels = labels_.emplace_back();
    for (const nlohmann::json& label : *entry) {
      if (!label.is_number_integer() || label < 0 || label >= classes)
        throw wrong(file, fmt::format("{} has the label {}, the model {} classes", dataset.name(i),
                                      label.dump(), classes));
      labels.push_back(label.get<std::int64_t>());
    }
  }
}

}  // namespace vitrail::trainer
