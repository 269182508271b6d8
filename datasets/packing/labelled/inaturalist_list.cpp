#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datasets/archives/json_tables.hpp"
#include "datasets/packing/labelled/labelled_files.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "trainer/base/error.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::array kRanks = {"kingdom", "phylum", "class", "order", "family", "genus", "species"};
constexpr const char* kSpecies = "species";  // what a category is

class Taxonomy {
 public:
  Taxonomy(const fs::path& path, std::string rank) : path_(path), rank_(std::move(rank)) {}

  void add(const JsonRow& row) {
    const std::uint64_t id = number_in(row, "id", path_);
    const auto name = row.find(rank_ == kSpecies ? "name" : rank_);
    if (name == row.end()) {
      throw Error(ExitCode::refused, fmt::format("--labels {}: {} has no such rank", rank_, path_.string()),
                  "the taxonomy is in the categories.json that belongs to the images; put it beside them");
    }
    if (!name_of_.emplace(id, name->second).second) {
      throw Error(ExitCode::bad_data, fmt::format("{}: the category {} is there twice", path_.string(), id));
    }
  }

  bool empty() const { return name_of_.empty(); }

  // Species in the order of their ids, as the publisher numbers them; taxa above them in that of names.
  std::vector<ClassEntry> classes() {
    std::vector<ClassEntry> classes;
    if (rank_ == kSpecies) {
      for (const auto& [id, name] : name_of_) {
        index_of_[id] = static_cast<std::uint32_t>(classes.size());
        classes.push_back({name, ""});
      }
      return classes;
    }
    std::set<std::string> taxa;
    for (const auto& [id, name] : name_of_) taxa.insert(name);
    for (const std::string& name : taxa) classes.push_back({name, ""});
    for (const auto& [id, name] : name_of_) {
      index_of_[id] = static_cast<std::uint32_t>(std::ranges::distance(taxa.begin(), taxa.find(name)));
    }
    return classes;
  }

  std::uint32_t class_of(std::uint64_t category, const fs::path& list) const {
    const auto found = index_of_.find(category);
    if (found != index_of_.end()) return found->second;
    throw Error(ExitCode::bad_data,
                fmt::format("{}: the category {} is none of {}", list.string(), category, path_.string()),
                "both files must be of the same year");
  }

  static std::uint64_t number_in(const JsonRow& row, const char* column, const fs::path& path) {
    const auto found = row.find(column);
    std::uint64_t number = 0;
    if (found != row.end()) {
      const char* const end = found->second.data() + found->second.size();
      const auto [stop, error] = std::from_chars(found->second.data(), end, number);
      if (error == std::errc() && stop == end) return number;
    }
    throw Error(ExitCode::bad_data, fmt::format("{}: a row whose {} is no number", path.string(), column),
                "iNaturalist's lists have images (id, file_name), annotations (image_id, category_id) and "
                "categories (id, name)");
  }

 private:
  const fs::path path_;
  const std::string rank_;
  std::map<std::uint64_t, std::string> name_of_;  // by the category's id
  std::unordered_map<std::uint64_t, std::uint32_t> index_of_;
};

std::string rank_of(const SourceOptions& options) {
  if (options.labels.empty()) return kSpecies;
  if (std::ranges::find(kRanks, options.labels) != kRanks.end()) return options.labels;
  throw Error(ExitCode::refused, fmt::format("--labels {}: no rank of iNaturalist", options.labels),
              fmt::format("ranks are {}", fmt::join(kRanks, ", ")));
}

Taxonomy read_taxonomy(const fs::path& list, const std::string& rank) {
  const fs::path beside = list.parent_path() / "categories.json";
  const bool is_beside = fs::exists(beside);
  Taxonomy taxonomy(is_beside ? beside : list, rank);
  read_json_tables(is_beside ? beside : list, [&](const std::string& table, const JsonRow& row) {
    if (table.empty() || table == "categories") taxonomy.add(row);
  });
  if (taxonomy.empty()) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: no categories inside", (is_beside ? beside : list).string()),
                "put the categories.json of the images beside the list");
  }
  return taxonomy;
}

}  // namespace

LabelledFiles read_inaturalist(const fs::path& list, const SourceOptions& options) {
  require_file(list, "a list such as train2018.json");
  const std::string rank = rank_of(options);
  Taxonomy taxonomy = read_taxonomy(list, rank);
  LabelledFiles files{
      "inaturalist", list.parent_path().empty() ? "." : list.parent_path(), list.string(), {}, {}};
  files.classes = taxonomy.classes();
  if (rank != kSpecies) files.selection = "labels: " + rank;
  std::unordered_map<std::uint64_t, std::size_t> image_of;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> annotations;  // image, category
  read_json_tables(list, [&](const std::string& table, const JsonRow& row) {
    if (table == "images") {
      const std::uint64_t id = Taxonomy::number_in(row, "id", list);
      const auto name = row.find("file_name");
      if (name == row.end() || !image_of.emplace(id, files.files.size()).second) {
        throw Error(ExitCode::bad_data,
                    fmt::format("{}: the image {} has no file_name, or is there twice", list.string(), id));
      }
      files.files.push_back({name->second, {}});
    } else if (table == "annotations") {
      annotations.emplace_back(Taxonomy::number_in(row, "image_id", list),
                               Taxonomy::number_in(row, "category_id", list));
    }
  });
  if (annotations.empty()) {
    throw Error(ExitCode::bad_data, fmt::format("{}: no annotations inside", list.string()),
                "give train20XX.json or val20XX.json; the images of a test have no labels");
  }
  for (const auto& [image, category] : annotations) {
    const auto found = image_of.find(image);
    if (found == image_of.end() || files.files[found->second].label) {
      throw Error(ExitCode::bad_data,
                  fmt::format("{}: an annotation of the image {}, which is not there or has one",
                              list.string(), image));
    }
    files.files[found->second].label = taxonomy.class_of(category, list);
  }
  const auto without = [](const LabelledFile& file) { return !file.label; };
  if (const auto count = std::ranges::count_if(files.files, without); count > 0) {
    files.warnings.push_back(fmt::format("{}: no annotation of {} images, which are left out; the first: {}",
                                         list.string(), count,
                                         printable(std::ranges::find_if(files.files, without)->path)));
  }
  return files;
}

}  // namespace vitrail::datasets
