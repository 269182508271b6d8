#include "datasets/packing/sources/split_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
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

std::string last_part(const std::string& path) {
  std::filesystem::path p = path;
  if (!p.has_filename()) p = p.parent_path();  // "val/"
  return p.filename().string();
}

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

std::string split_of(const std::string& source, const std::string& output) {
  const std::string path = source.substr(source.find(':') + 1);  // npos + 1 is 0
  const std::string by_source = split_in_name(last_part(path.substr(0, path.find(','))));
  const std::string by_output = split_in_name(last_part(output));
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
