#include "datasets/unpacking/unpack.hpp"

#include "launcher/options/flag_table.hpp"
#include "trainer/base/processors.hpp"

namespace vitrail::launcher {
namespace {

struct UnpackFlags {
  std::string output;
  datasets::UnpackFormat format = datasets::UnpackFormat::folder;
  std::optional<std::int64_t> threads;  // absent: one per core
};

std::vector<Option> unpack_options() {
  FlagTable<UnpackFlags> flags;
  flags.add("output", &UnpackFlags::output, {.help = "new folder", .placeholder = "DIR", .required = true});
  flags.choice("format", &UnpackFlags::format,
               {{datasets::UnpackFormat::folder, "folder"}, {datasets::UnpackFormat::wds, "wds"}},
               {.help = "a folder for each class, or WebDataset tars with the classes' names in classes.txt; "
                        "without labels neither classes nor their names",
                .placeholder = "FORM"});
  flags.add("threads", &UnpackFlags::threads,
            {.help = "threads, each on a shard; no byte depends on it",
             .bounds = from_to(1, 1024),
             .unit = "threads",
             .absent = "one for each core"});
  return flags.done();
}

ExitCode run_unpack(const CommandLine& line, const Environment&) {
  const auto& flags = line.own<UnpackFlags>();
  const datasets::UnpackReport report =
      datasets::unpack({.pack = line.arguments.front(),
                        .output = flags.output,
                        .format = flags.format,
                        .threads = static_cast<int>(flags.threads.value_or(available_processors()))});
  for (const std::string& warning : report.warnings) fmt::print(stderr, "warning: {}\n", warning);
  fmt::print(stderr, "{}: {} images, {:.1f} MB{}\n", flags.output, report.images,
             static_cast<double>(report.bytes) / 1e6,
             report.tars == 0 ? "" : fmt::format(", in {} tar{}", report.tars, report.tars == 1 ? "" : "s"));
  return ExitCode::done;
}

}  // namespace

Command unpack_command() {
  return {.name = "unpack",
          .usage = "PACK --output DIR [options]",
          .summary = "write a pack's images back as folders or WebDataset tars, byte for byte",
          .example = "vitrail unpack packs/photos --output photos-again",
          .least_arguments = 1,
          .most_arguments = 1,
          .flags = UnpackFlags(),
          .options = unpack_options(),
          .run = run_unpack};
}

}  // namespace vitrail::launcher
