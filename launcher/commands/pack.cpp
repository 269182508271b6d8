#include "datasets/packing/pack.hpp"

#include "datasets/packing/pack_sources.hpp"
#include "launcher/options/flag_table.hpp"
#include "launcher/ranks/world.hpp"
#include "trainer/base/processors.hpp"

namespace vitrail::launcher {
namespace {

struct PackFlags {
  std::string source, output;
  std::string split;   // empty: by names
  std::string devkit;  // of imagenet-train and imagenet-val
  std::string labels;  // of sources with several kinds of them
  std::string class_names;
  std::string validation;  // rule for imagenet-21k; empty: the default one
  std::string reencode;    // SHORT_SIDE,QUALITY; empty: bytes as they came
  std::int64_t shard_mib = 1024;
  std::optional<std::int64_t> threads;  // absent: one per core
};

std::vector<Option> pack_options() {
  FlagTable<PackFlags> flags;
  flags.add("source", &PackFlags::source,
            {.help = "what to pack: " + datasets::source_forms(), .placeholder = "SPEC", .required = true});
  flags.add(
      "output", &PackFlags::output,
      {.help = "folder of the pack; an incomplete one is completed", .placeholder = "DIR", .required = true});
  flags.add("split", &PackFlags::split,
            {.help = "name of this part of the data, kept in the pack; train where no name says",
             .placeholder = "NAME",
             .absent = "by the name of source or output: train, val, test"},
            {"not empty", [](const std::string& text) { return !text.empty(); }});
  flags.add(
      "devkit", &PackFlags::devkit,
      {.help =
           "ILSVRC2012_devkit_t12.tar.gz or its folder: labels of imagenet-val, names and order of classes",
       .placeholder = "FILE",
       .absent = "none; imagenet-val needs it"});
  flags.add("labels", &PackFlags::labels,
            {.help = "which labels, where a source has several: of csv a column, of wds a field of .json, of "
                     "cifar100 fine or coarse, of inaturalist a rank (kingdom to species); of wds and "
                     "parquet also none",
             .placeholder = "NAME",
             .absent = "the usual ones; the finest"});
  flags.add(
      "class-names", &PackFlags::class_names,
      {.help = "names of classes that are numbers in csv or wds: NAME or WNID NAME a line, in their order",
       .placeholder = "FILE",
       .absent = "of wds classes.txt beside its tars; else numbers"});
  flags.add(
      "validation", &PackFlags::validation,
      {.help = "what of imagenet-21k is for --split val, the rest being for train: 21k-p (classes of more "
               "than 500 images, the first 50 of each) or hash:FRACTION",
       .placeholder = "RULE",
       .absent = "hash:0.01"});
  flags.add("reencode", &PackFlags::reencode,
            {.help = "shrink larger images to this short side and store them as JPEGs of this quality",
             .placeholder = "SIDE,QUALITY",
             .absent = "every image stays as it came"});
  flags.add("shard-mib", &PackFlags::shard_mib,
            {.help = "size of a shard", .bounds = from_to(1, 65536), .unit = "MiB"});
  flags.add("threads", &PackFlags::threads,
            {.help = "threads that list and decode; no byte of the pack depends on it",
             .bounds = from_to(1, 1024),
             .unit = "threads",
             .absent = "one for each core"});
  return flags.done();
}

ExitCode run_pack(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<PackFlags>();
  sharding::ShardingConfig ranks_may_differ;  // in how long their archives take
  ranks_may_differ.timeout.count = 0;
  World world(environment, ranks_may_differ);
  return world.run("packing", [&] {
    sharding::Communicator& ranks = world.communicator();
    datasets::PackOptions options;
    options.source = flags.source;
    options.output = flags.output;
    options.split = flags.split;
    options.shard_bytes = static_cast<std::uint64_t>(flags.shard_mib) << 20;
    options.threads = static_cast<int>(flags.threads.value_or(available_processors()));
    options.devkit = flags.devkit;
    options.validation = flags.validation;
    options.labels = flags.labels;
    options.class_names = flags.class_names;
    options.warn = [](const std::string& text) { fmt::print(stderr, "warning: {}\n", text); };
    if (!flags.reencode.empty()) options.reencode = datasets::parse_reencode(flags.reencode);
    const datasets::PackReport report =
        datasets::pack(options, {ranks.rank(), ranks.size(), [&] { ranks.barrier(); }});
    if (ranks.rank() != 0) return ExitCode::done;
    if (report.already_complete) {
      fmt::print(stderr, "{}: already complete\n", flags.output);
    } else {
      fmt::print(stderr, "{}: split {}: {} images in {} shard{}, {:.1f} MB, {} quarantined\n", flags.output,
                 report.split, report.images, report.shards, report.shards == 1 ? "" : "s",
                 static_cast<double>(report.bytes) / 1e6, report.quarantined);
    }
    return ExitCode::done;
  });
}

}  // namespace

Command pack_command() {
  return {.name = "pack",
          .usage = "--source SPEC --output DIR [options]",
          .summary = "turn archives, folders, lists or tars of images into a pack: HDF5 shards for training",
          .example = "vitrail pack --source folder:photos --output packs/photos",
          .flags = PackFlags(),
          .options = pack_options(),
          .by_many = true,
          .run = run_pack};
}

}  // namespace vitrail::launcher
