#include "datasets/pack/pack_info.hpp"
#include "launcher/options/flag_table.hpp"

namespace vitrail::launcher {
namespace {

struct InfoFlags {
  OutputFormat format = OutputFormat::text;
};

std::vector<Option> info_options() {
  FlagTable<InfoFlags> flags;
  flags.format(&InfoFlags::format);
  return flags.done();
}

ExitCode run_info(const CommandLine& line, const Environment&) {
  const datasets::PackInfo info = datasets::pack_info(line.arguments.front());
  const bool json = line.own<InfoFlags>().format == OutputFormat::json;
  fmt::print("{}\n", json ? to_json(info) : to_text(info));
  return ExitCode::done;
}

}  // namespace

Command info_command() {
  return {.name = "info",
          .usage = "PACK [options]",
          .summary = "what a pack holds: images, classes, shards, bytes",
          .example = "vitrail info packs/photos --format json",
          .least_arguments = 1,
          .most_arguments = 1,
          .flags = InfoFlags(),
          .options = info_options(),
          .run = run_info};
}

}  // namespace vitrail::launcher
