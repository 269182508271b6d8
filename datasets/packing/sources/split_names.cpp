#include "datasets/packing/sources/split_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::array<std::pair<std::string_view, const char*>, 9> kWords = {{{"train", "train"},
                                                                             {"trainval", "trainval"},
                                                                             {"training", "train"},
                                                                             {"val", "val"},
                                                                             {"valid", "val"},
                                                                             {"validation", "val"},
                                                                             {"test", "test"},
                                                                             {"testing", "test"},
                                                                             {"t10k", "test"}}};

}  // namespace

std::string split_named(const std::string& name) {
  std::string lower = name;
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& [word, split] : kWords) {
    if (lower == word) return split;
  }
  return "";
}

std::string split_in_name(const std::string& name) {
  std::string found, word;
  for (const char c : name + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += c;
      continue;
    }
    std::string split = split_named(word);
    // "train2018", as iNaturalist's lists are called
    if (split.empty()) split = split_named(word.substr(0, word.find_last_not_of("0123456789") + 1));
    if (!split.empty()) found = split;
    word.clear();
  }
  return found;
}

namespace {

// Of the path as it was given ("val/"), else of what it leads to: ".", a link.
std::string split_in_path(const std::string& given) {
  std::filesystem::path path = given;
  if (!path.has_filename()) path = path.parent_path();
  if (const std::string split = split_in_name(path.filename().string()); !split.empty()) return split;
  std::error_code unreadable;
  const auto target = std::filesystem::canonical(path, unreadable);
  return unreadable ? "" : split_in_name(target.filename().string());
}

// Of "DIR", "DIR,LIST", "IMAGES,LABELS": the first that says it.
std::string split_in_source(const std::string& source) {
  const std::string paths = source.substr(source.find(':') + 1);  // npos + 1 is 0
  std::istringstream parts(paths);
  for (std::string part; std::getline(parts, part, ',');) {
    if (const std::string split = split_in_path(part); !split.empty()) return split;
  }
  return "";
}

}  // namespace

std::string split_called(const std::string& word) {
  const std::string split = word == "dev" ? "val" : split_named(word);
  if (!split.empty()) return split;
  throw Error(ExitCode::usage, fmt::format("--split {}: no part of a data set", word),
              "a pack is called train, val or test, of Flowers-102 also trainval");
}

std::string split_of(const std::string& source, const std::string& output) {
  const std::string by_source = split_in_source(source);
  const std::string by_output = split_in_path(output);
  if (!by_source.empty() && !by_output.empty() && by_source != by_output) {
    throw Error(
        ExitCode::refused,
        fmt::format("--source {} is called {}, --output {} is called {}: which part of the data is it?",
                    source, by_source, output, by_output),
        fmt::format("say it: --split {}", by_source));
  }
  if (!by_source.empty()) return by_source;
  return by_output.empty() ? "train" : by_output;
}

}  // namespace vitrail::datasets
