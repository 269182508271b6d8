#include "datasets/packing/pack.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "datasets/pack/pack_format.hpp"
#include "datasets/pack/pack_writer.hpp"
#include "datasets/pack/parallel.hpp"
#include "datasets/packing/pack_sources.hpp"
#include "datasets/packing/sources/split_names.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"
#include "trainer/base/text/progress.hpp"
#include "trainer/base/text/utf8.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecordsFolder =
    "unfinished";  // one file per finished shard, until the manifest is there

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw io_error("cannot remove", path, error.value());
}

std::optional<std::uint64_t> size_of_file(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? std::nullopt : std::optional<std::uint64_t>(size);
}

// Everything that is decided before the first image is read.
struct Job {
  PackOptions options;
  std::unique_ptr<Source> source;
  std::string id;
  std::uint64_t key_bytes = 1;  // known when the source is open

  std::uint64_t shards() const { return source->shards(); }
  fs::path record_path(std::uint64_t shard) const {
    return options.output / kRecordsFolder / (shard_name(shard, shards()) + ".json");
  }
  fs::path spool_path() const { return options.output / kRecordsFolder / "spool"; }
};

std::string text_of(const std::optional<Reencode>& reencode) {
  return reencode ? fmt::format("{},{}", reencode->short_side, reencode->quality) : "none";
}

Partition partition_of(const PackOptions& options) {
  const bool cut = options.source.starts_with("imagenet-21k:") || !options.validation.empty();
  if (!cut) return {};
  return Partition::parse(options.validation.empty() ? kDefaultValidation : options.validation,
                          options.split);
}

// ImageNet's own halves are called what they are.
PackOptions with_own_split(PackOptions options) {
  if (!options.split.empty()) options.split = split_called(options.split);
  if (options.source.starts_with("imagenet-val:")) options.split = "val";
  const bool is_train = options.source.starts_with("imagenet-train:");
  if (options.split.empty()) {
    options.split = is_train ? "train" : split_of(options.source, options.output.string());
  }
  if (is_train && options.split != "train") {
    throw Error(
        ExitCode::refused,
        fmt::format("--split {} with {}: these are the training images", options.split, options.source),
        "leave --split out");
  }
  return options;
}

void check_output(const PackOptions& options) {
  if (fs::exists(options.output) && !fs::is_directory(options.output)) {
    throw Error(ExitCode::refused, fmt::format("--output {}: this is a file", options.output.string()),
                "name a folder: a pack is several files");
  }
  if (!options.source.starts_with("folder:") && !options.source.starts_with("images:")) return;
  if (options.source.ends_with(':')) return;  // no folder at all is said of the source
  const fs::path source = fs::weakly_canonical(options.source.substr(options.source.find(':') + 1));
  const fs::path output = fs::weakly_canonical(options.output);
  if (std::ranges::mismatch(source, output).in1 != source.end()) return;
  throw Error(ExitCode::refused,
              fmt::format("{} lies inside {}: the pack would become a part of its own source",
                          options.output.string(), options.source),
              "choose another --output");
}

std::unique_ptr<Source> source_of(const PackOptions& options) {
  const std::string asked = "--source " + options.source;
  try {
    return open_source({.source = options.source,
                        .devkit = options.devkit,
                        .split = options.split,
                        .labels = options.labels,
                        .class_names = options.class_names,
                        .partition = partition_of(options),
                        .shard_bytes = options.shard_bytes,
                        .threads = options.threads,
                        .progress = options.progress});
  } catch (const Error& e) {
    throw e.in(asked);
  }
}

Job prepare(const PackOptions& given) {
  const PackOptions options = with_own_split(given);
  check_output(options);
  if (options.shard_bytes == 0)
    throw Error(ExitCode::usage, "the target size of a shard must be at least one byte");
  if (!is_utf8(options.source) || !is_utf8(options.split)) {
    throw Error(ExitCode::usage, "source and split must be UTF-8: they are written into the manifest");
  }
  Job job{options, source_of(options), {}};
  job.id =
      hash_text(fmt::format("vitrail-pack {}\n{}\n{}\n{} shards\nre-encoded {}\n", kPackVersion,
                            job.source->identity(), options.split, job.shards(), text_of(options.reencode)))
          .hex();
  return job;
}

// How this pack and the one that is there were asked for; what only their files tell comes last.
std::string difference(const Manifest& there, const Job& job) {
  std::vector<std::string> found;
  const auto compare = [&](const char* what, const auto& was, const auto& is) {
    if (was != is) found.push_back(fmt::format("{} was {}, is {}", what, was, is));
  };
  const auto rule = [](const std::string& selection) {
    return selection.empty() ? "none" : selection.substr(0, selection.find(','));
  };
  compare("--source", there.source, job.options.source);
  compare("--split", there.split, job.options.split);
  if (job.options.source.starts_with("imagenet-21k:")) {
    compare("--validation", rule(there.selection), rule(partition_of(job.options).text()));
  } else if (!job.source->is_stream()) {
    compare("what is selected", rule(there.selection), rule(job.source->selection()));
  }
  compare("--reencode", there.reencode, text_of(job.options.reencode));
  if (!job.source->is_stream()) {
    compare("the number of files", there.source_images, job.source->images());
    const auto name = [](const ClassEntry& c) { return std::pair(c.name, c.wnid); };
    if (!std::ranges::equal(there.classes, job.source->classes(), {}, name, name)) {
      found.emplace_back("the classes have other names (--devkit?)");
    }
  }
  compare("the number of shards (--shard-mib)", there.shards.size(), job.shards());
  if (found.empty()) found.emplace_back("names or sizes of the source's files have changed");
  return fmt::format("{}", fmt::join(found, "; "));
}

// True where the folder already holds this very pack. Refuses a folder that holds anything else.
bool already_complete(const Job& job) {
  const fs::path& folder = job.options.output;
  if (fs::exists(folder / kManifestFile)) {
    const Manifest there = read_manifest(folder);
    if (there.id != job.id) {
      throw Error(ExitCode::refused,
                  fmt::format("{}: holds a pack of {}, but {}", folder.string(), there.source,
                              difference(there, job)),
                  "choose another output folder, or remove this one");
    }
    std::vector<FileEntry> files{there.index.file, there.quarantine};
    for (const ShardEntry& shard : there.shards) files.push_back(shard.file);
    for (const FileEntry& file : files) {
      if (size_of_file(folder / file.name) != file.bytes) {
        throw Error(ExitCode::bad_data,
                    fmt::format("{}: missing, or not the {} bytes the manifest says",
                                (folder / file.name).string(), file.bytes),
                    fmt::format("remove {} and pack again", folder.string()));
      }
    }
    return true;
  }
  if (!fs::exists(folder)) return false;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name == kRecordsFolder || name.starts_with("shard-") || name.starts_with(kIndexFile) ||
                      name.starts_with(kQuarantineFile) || name.starts_with(kManifestFile);
    if (!ours) {
      throw Error(ExitCode::refused,
                  fmt::format("{}: holds {}, which is no part of a pack", folder.string(), printable(name)),
                  "choose an empty or new output folder");
    }
  }
  return false;
}

// The record of a shard that an interrupted run finished; none if it is of another source, or not whole.
std::optional<ShardRecord> finished_shard(const Job& job, std::uint64_t shard) {
  const fs::path path = job.record_path(shard);
  if (!fs::exists(path)) return std::nullopt;
  try {
    ShardRecord record = parse_shard_record(read_text(path), path.string(), shard_name(shard, job.shards()));
    const bool ours = record.pack_id == job.id &&
                      size_of_file(job.options.output / record.shard.file.name) == record.shard.file.bytes;
    if (ours) return record;
  } catch (const Error& e) {
    if (e.code() != ExitCode::bad_data)
      throw;  // a damaged record vouches for nothing: its shard is packed again
  }
  return std::nullopt;
}

// Why this image cannot be part of the pack; nothing if it was added.
std::optional<std::string> add_image(const Job& job, const SourceItem& item, ShardWriter& writer) {
  if (item.flaw != Flaw::none) return describe(item.flaw);
  Bytes encoded = job.source->read(item);
  StoredImage image;
  try {
    image = store_image(std::move(encoded), job.options.reencode);
  } catch (const Error& e) {
    if (e.code() != ExitCode::bad_data) throw;
    return e.what();
  }
  writer.add({item.key, item.label, image.height, image.width, image.encoded});
  return std::nullopt;
}

void pack_shard(const Job& job, std::uint64_t shard, std::mutex& hdf5, Progress& progress) {
  ShardWriter writer(job.options.output, shard, job.shards(), job.id, job.key_bytes, hdf5);
  ShardRecord record{job.id, {}, {}};
  for (const SourceItem& item : job.source->items(shard)) {
    if (const auto reason = add_image(job, item, writer)) record.quarantined.push_back({item.key, *reason});
    progress.add(1, item.bytes);
  }
  // The old record goes first: it must never stand beside a shard it does not describe.
  remove_file(job.record_path(shard));
  record.shard = writer.finish();
  write_text_atomically(job.record_path(shard), to_text(record));
  job.source->release(shard);
}

// This rank's shards: every world-th one.
PackReport pack_own_shards(const Job& job, const PackRanks& ranks) {
  PackReport report;
  std::vector<std::uint64_t> missing;
  std::uint64_t images = 0;
  for (auto shard = static_cast<std::uint64_t>(ranks.rank); shard < job.shards();
       shard += static_cast<std::uint64_t>(ranks.world)) {
    ++report.shards;
    if (finished_shard(job, shard)) {
      ++report.shards_kept;
    } else {
      missing.push_back(shard);
      images += job.source->images_of(shard);
    }
  }
  const std::string what = ranks.world == 1 ? "pack" : fmt::format("pack (rank 0 of {})", ranks.world);
  Progress progress(what, "images", images, job.options.progress && ranks.rank == 0);
  std::mutex hdf5;
  parallel_for(missing.size(), job.options.threads,
               [&](std::size_t i) { pack_shard(job, missing[i], hdf5, progress); });
  return report;
}

// All ranks at once: streams are sorted by rank 0 first.
void open_spool(Job& job, const PackRanks& ranks) {
  if (job.source->is_stream()) {
    if (ranks.rank == 0) {
      job.source->spool(job.spool_path(),
                        [&](std::uint64_t shard) { return finished_shard(job, shard).has_value(); });
    }
    ranks.barrier();
    job.source->open_spool(job.spool_path());
  }
  job.key_bytes = job.source->longest_key();
}

// Rank 0, when every shard is there: index and quarantine list, then the manifest that makes it a pack.
Manifest complete(const Job& job) {
  const fs::path& folder = job.options.output;
  Manifest m;
  m.id = job.id;
  m.split = job.options.split;
  m.source = job.options.source;
  m.reencode = text_of(job.options.reencode);
  m.selection = job.source->selection();
  m.source_images = job.source->images();
  m.key_bytes = job.key_bytes;
  m.classes = job.source->classes();
  std::string quarantine;
  for (std::uint64_t shard = 0; shard < job.shards(); ++shard) {
    const auto record = finished_shard(job, shard);
    if (!record) {
      throw Error(ExitCode::io,
                  fmt::format("{}: a rank packed it, but it cannot be seen from here",
                              (folder / shard_name(shard, job.shards())).string()),
                  "run the same command again; if this stays, is the folder shared by all nodes?");
    }
    m.shards.push_back(record->shard);
    m.images += record->shard.images;
    m.quarantined += record->quarantined.size();
    for (const Quarantined& entry : record->quarantined) quarantine += to_line(entry);
  }
  if (m.images == 0) {
    throw Error(ExitCode::bad_data,
                fmt::format("{}: none of {} files could be decoded; the first: {}", m.source, m.source_images,
                            quarantine.substr(0, quarantine.find('\n'))));
  }
  write_text_atomically(folder / kQuarantineFile, quarantine);
  m.quarantine = {kQuarantineFile, quarantine.size(), hash_text(quarantine).hex()};
  m.index = write_index(folder, m.shards);
  // What an earlier run with other options may have left: nothing may lie in a pack that its manifest doesn't
  // name.
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool named =
        std::ranges::any_of(m.shards, [&](const ShardEntry& s) { return s.file.name == name; });
    if (name.starts_with("shard-") && !named) remove_file(entry.path());
  }
  const std::string text = to_text(m);
  parse_manifest(text, (folder / kManifestFile).string());  // what is written must be what can be read
  write_text_atomically(folder / kManifestFile, text);
  return m;
}

PackReport report_of(const Manifest& m) {
  PackReport report;
  report.images = m.images;
  report.quarantined = m.quarantined;
  report.shards = m.shards.size();
  report.split = m.split;
  for (const ShardEntry& shard : m.shards) report.bytes += shard.file.bytes;
  return report;
}

}  // namespace

PackReport pack(const PackOptions& options, const PackRanks& ranks) try {
  Job job = prepare(options);
  PackReport report;
  if (already_complete(job)) {
    report = report_of(read_manifest(options.output));
    report.already_complete = true;
    report.split = job.options.split;
    report.shards_kept = report.shards;
  } else {
    make_directories(options.output / kRecordsFolder);
    open_spool(job, ranks);
    if (ranks.rank == 0 && options.warn) {
      for (const std::string& line : job.source->warnings()) options.warn(line);
    }
    report = pack_own_shards(job, ranks);
  }
  ranks.barrier();
  if (ranks.rank == 0) {
    if (!report.already_complete) {
      const std::uint64_t kept = report.shards_kept;
      report = report_of(complete(job));
      report.shards_kept = kept;
    }
    remove_file(options.output / kRecordsFolder);  // also what a run killed right after its manifest left
  }
  ranks.barrier();
  return report;
} catch (const fs::filesystem_error& e) {
  throw io_error("cannot look at", e.path1(), e.code().value());
}

}  // namespace vitrail::datasets
