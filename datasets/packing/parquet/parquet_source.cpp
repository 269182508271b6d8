#include "datasets/packing/parquet/parquet_source.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <regex>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <parquet/api/reader.h>

#include "datasets/archives/brace_pattern.hpp"
#include "datasets/archives/file_tree.hpp"
#include "datasets/pack/pack_plan.hpp"
#include "datasets/packing/labelled/label_classes.hpp"
#include "datasets/packing/sources/source_path.hpp"
#include "datasets/packing/sources/split_names.hpp"
#include "datasets/packing/sources/stream_source.hpp"
#include "datasets/packing/spool.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/text/progress.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

template <class Function>
auto said_of(const fs::path& path, const Function& f) {
  try {
    return f();
  } catch (const parquet::ParquetException& e) {
    throw Error(ExitCode::bad_data, fmt::format("{}: {}", path.string(), e.what()),
                "is the file whole? Compare its size or checksum with the publisher's");
  }
}

// One value after another of a column of a row group; nothing where there is none.
template <class Type>
class Values {
 public:
  Values(parquet::RowGroupReader& group, int column)
      : reader_(std::static_pointer_cast<parquet::TypedColumnReader<Type>>(group.Column(column))),
        full_(group.metadata()->schema()->Column(column)->max_definition_level()) {}

  std::optional<typename Type::c_type> next() {
    std::int16_t level = full_, repeated = 0;
    std::int64_t count = 0;
    typename Type::c_type value{};
    if (reader_->ReadBatch(1, &level, &repeated, &value, &count) != 1) {
      throw parquet::ParquetException("a column with fewer rows than its table");
    }
    return count == 1 && level == full_ ? std::optional(value) : std::nullopt;
  }

 private:
  std::shared_ptr<parquet::TypedColumnReader<Type>> reader_;
  std::int16_t full_;
};

// Where the columns are that count.
struct Columns {
  int bytes = -1, path = -1, label = -1;
  bool wide = true;  // labels of 64 bits, else of 32
};

class ParquetSource final : public StreamSource {
 public:
  ParquetSource(const std::string& pattern, const SourceOptions& options)
      : options_(options),
        column_(options.labels.empty() ? "label" : options.labels),
        has_labels_(options.labels != kNoLabels) {
    find(pattern);
    identity_ = "parquet\n" + column_ + "\n";
    std::uint64_t bytes = 0;
    for (const fs::path& path : files_) {
      const auto table = open(path);  // a file that is cut has no end to read its columns from
      if (known_.classes.empty()) known_ = names_in(*table->metadata(), path);
      columns_of(*table->metadata(), path);
      const File file(path, File::Mode::read);
      identity_ += fmt::format("{} {}\n", path.filename().string(), fingerprint_of_stream(file));
      bytes += file.size();
    }
    if (!options.class_names.empty()) {
      known_ = {read_class_names(options.class_names), options.class_names.string(), true};
    }
    for (const ClassEntry& entry : known_.classes) identity_ += entry.wnid + " " + entry.name + "\n";
    shards_ = shard_count(bytes, options.shard_bytes);
  }

 private:
  void find(const std::string& pattern) {
    if (fs::is_directory(pattern)) {
      std::vector<fs::path> all, of_split;
      for (const auto& entry : sorted_entries(pattern)) {
        if (entry.path().extension() != ".parquet") continue;
        all.push_back(entry.path());
        const std::string split = split_in_name(entry.path().stem().string());
        if (split == options_.split) of_split.push_back(entry.path());
      }
      const bool tells = std::ranges::any_of(
          all, [](const fs::path& path) { return !split_in_name(path.stem().string()).empty(); });
      files_ = tells ? of_split : all;
      if (files_.empty()) {
        throw Error(
            ExitCode::bad_data,
            fmt::format("{}: no .parquet file inside{}", pattern, tells ? " of split " + options_.split : ""),
            "files are called as their split: train-00000-of-00294.parquet, validation-..., test-...");
      }
      refuse_missing();
    } else {
      for (const std::string& name : expand_braces(pattern)) files_.emplace_back(name);
    }
    for (const fs::path& path : files_) require_file(path, "a Parquet file");
  }

  // Names tell how many files there are; one that was not fetched would go unnoticed.
  void refuse_missing() const {
    static const std::regex one_of_several("(.*-)[0-9]{5}(-of-([0-9]{5})\\.parquet)");
    std::set<std::string> seen;
    for (const fs::path& file : files_) {
      const std::string name = file.filename().string();
      std::smatch part;
      if (!std::regex_match(name, part, one_of_several) || !seen.insert(part.str(1) + part.str(2)).second)
        continue;
      for (int number = 0; number < std::stoi(part.str(3)); ++number) {
        const std::string wanted = fmt::format("{}{:05}{}", part.str(1), number, part.str(2));
        if (fs::exists(file.parent_path() / wanted)) continue;
        throw Error(ExitCode::bad_data,
                    fmt::format("{}: no {} inside, but {}", file.parent_path().string(), wanted, name),
                    "fetch the missing one; to pack only some, name the files: parquet:DIR/{a,b}.parquet");
      }
    }
  }

  static std::unique_ptr<parquet::ParquetFileReader> open(const fs::path& path) {
    return said_of(path, [&] {
      parquet::ReaderProperties properties;
      properties.enable_buffered_stream();  // else a column of a row group is read at once
      return parquet::ParquetFileReader::OpenFile(path.string(), false, properties);
    });
  }

  // What Hugging Face's library writes beside the columns: the classes' names.
  KnownClasses names_in(const parquet::FileMetaData& table, const fs::path& path) const {
    KnownClasses known{{}, path.string(), true};
    const auto& all = table.key_value_metadata();
    const int place = all ? all->FindKey("huggingface") : -1;
    if (place < 0) return known;
    const auto said = nlohmann::json::parse(all->value(place), nullptr, false);
    const nlohmann::json::json_pointer names("/info/features/" + column_ + "/names");
    if (said.is_discarded() || !said.contains(names) || !said.at(names).is_array()) return known;
    for (const auto& name : said.at(names)) {
      if (name.is_string()) known.classes.push_back({name.get<std::string>(), ""});
    }
    return known;
  }

  Columns columns_of(const parquet::FileMetaData& table, const fs::path& path) const {
    Columns columns;
    std::vector<std::string> names;
    for (int c = 0; c < table.num_columns(); ++c) {
      const auto* column = table.schema()->Column(c);
      const std::string name = column->path()->ToDotString();
      names.push_back(name);
      if (column->max_repetition_level() > 0) continue;
      const bool is_bytes = column->physical_type() == parquet::Type::BYTE_ARRAY;
      if (is_bytes && name.ends_with(".bytes") && columns.bytes < 0) columns.bytes = c;
      if (is_bytes && name.ends_with(".path") && columns.path < 0) columns.path = c;
      const bool is_number =
          column->physical_type() == parquet::Type::INT64 || column->physical_type() == parquet::Type::INT32;
      if (name == column_ && is_number) columns.label = c;
      if (name == column_) columns.wide = column->physical_type() == parquet::Type::INT64;
    }
    if (columns.bytes >= 0 && (columns.label >= 0 || !has_labels_)) return columns;
    throw Error(ExitCode::refused,
                fmt::format("{}: no column {}, but {}", path.string(),
                            columns.bytes < 0 ? "of images (a struct with bytes)" : column_ + " of numbers",
                            fmt::join(names, ", ")),
                "--labels names the column of the labels; --labels none packs images without");
  }

  struct Sorted {
    MetLabels labels;
    std::unordered_set<std::string> keys;
  };

  void sort_into(const fs::path& folder) const override {
    SpoolWriter writer(folder, shards_);
    Sorted sorted;
    for (const fs::path& path : files_) {
      said_of(path, [&] {
        sort_file(path, sorted, writer);
        return 0;
      });
    }
    const LabelClasses made = classes_of(sorted.labels, known_, options_.source);
    SpoolContents contents;
    contents.identity = identity_;
    if (has_labels_) contents.classes = made.classes;
    contents.labels = has_labels_ ? made.index_of : std::vector<std::uint32_t>{0};
    if (!options_.labels.empty()) contents.selection = "labels: " + options_.labels;
    if (sorted.labels.met().empty() && has_labels_) {
      throw Error(ExitCode::bad_data, options_.source + ": no image with a label",
                  "test images have none; --labels none packs images without");
    }
    writer.finish(contents);
  }

  void sort_file(const fs::path& path, Sorted& sorted, SpoolWriter& writer) const {
    const auto table = open(path);
    const Columns columns = columns_of(*table->metadata(), path);
    Progress progress("sort " + path.filename().string(), "images",
                      static_cast<std::uint64_t>(table->metadata()->num_rows()), options_.progress);
    std::uint64_t row = 0;
    for (int g = 0; g < table->metadata()->num_row_groups(); ++g) {
      const auto group = table->RowGroup(g);
      Values<parquet::ByteArrayType> images(*group, columns.bytes);
      std::optional<Values<parquet::ByteArrayType>> paths;
      if (columns.path >= 0) paths.emplace(*group, columns.path);
      std::optional<Values<parquet::Int64Type>> wide;
      std::optional<Values<parquet::Int32Type>> narrow;
      if (has_labels_ && columns.wide) wide.emplace(*group, columns.label);
      if (has_labels_ && !columns.wide) narrow.emplace(*group, columns.label);
      for (std::int64_t i = 0; i < group->metadata()->num_rows(); ++i, ++row) {
        const auto name = paths ? paths->next() : std::nullopt;
        const std::string key = key_of(path, row, name ? text_of(*name) : "", sorted);
        const auto label = wide ? wide->next() : narrow ? widened(narrow->next()) : std::nullopt;
        sort_image(images.next(), key, label, path, sorted, writer);
        progress.add(1);
      }
    }
  }

  static std::optional<std::int64_t> widened(const std::optional<std::int32_t>& label) {
    return label ? std::optional<std::int64_t>(*label) : std::nullopt;
  }

  static std::string text_of(const parquet::ByteArray& bytes) {
    return {reinterpret_cast<const char*>(bytes.ptr), bytes.len};
  }

  static std::string key_of(const fs::path& path, std::uint64_t row, const std::string& name,
                            Sorted& sorted) {
    const bool usable = flaw_of(name, 0, true) == Flaw::none && sorted.keys.insert(name).second;
    return usable ? name : fmt::format("{}/{:08}", path.stem().string(), row);
  }

  void sort_image(const std::optional<parquet::ByteArray>& image, const std::string& key,
                  const std::optional<std::int64_t>& label, const fs::path& path, Sorted& sorted,
                  SpoolWriter& writer) const {
    SourceItem item{key, 0, image ? image->len : 0, 0, Flaw::none};
    if (!image) item.flaw = Flaw::no_image;
    if (has_labels_ && (!label || *label == -1))
      item.flaw = Flaw::no_label;  // as Hugging Face's test splits have it
    if (item.flaw == Flaw::none) item.flaw = flaw_of(key, image->len, true);
    if (item.flaw != Flaw::none) return writer.add(item, {});
    if (has_labels_)
      item.label = sorted.labels.add(std::to_string(*label),
                                     [&] { return fmt::format("{}: {}", path.string(), key); });
    writer.add(item, std::as_bytes(std::span(image->ptr, image->len)));
  }

  const SourceOptions options_;
  const std::string column_;
  const bool has_labels_;
  std::vector<fs::path> files_;
  KnownClasses known_;
};

}  // namespace

std::unique_ptr<Source> open_parquet_source(const std::string& pattern, const SourceOptions& options) {
  return std::make_unique<ParquetSource>(pattern, options);
}

}  // namespace vitrail::datasets
