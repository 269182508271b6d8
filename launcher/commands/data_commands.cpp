#include "datasets/augment/preview.hpp"
#include "datasets/pack/pack_info.hpp"
#include "datasets/pack/pack_verify.hpp"
#include "datasets/packing/pack.hpp"
#include "launcher/commands/run_commands.hpp"
#include "launcher/ranks/world.hpp"
#include "trainer/base/processors.hpp"

namespace vitrail::launcher {
namespace {

int threads_of(const Flags& flags) {
  if (flags.threads) return static_cast<int>(*flags.threads);
  return available_processors();
}

std::shared_ptr<const datasets::Dataset> images_to_look_at(const std::string& source) {
  try {
    return datasets::open_unlabelled(source);
  } catch (const Error& e) {
    throw e.in("--data " + source);
  }
}

}  // namespace

ExitCode run_pack(const CommandLine& line, const Environment& environment) {
  sharding::ShardingConfig ranks_may_differ;  // in how long their archives take
  ranks_may_differ.timeout.count = 0;
  World world(environment, ranks_may_differ);
  return world.run("packing", [&] {
    sharding::Communicator& ranks = world.communicator();
    datasets::PackOptions options;
    options.source = line.flags.source;
    options.output = line.flags.output;
    options.split = line.flags.split;
    options.shard_bytes = static_cast<std::uint64_t>(line.flags.shard_mib) << 20;
    options.threads = threads_of(line.flags);
    options.devkit = line.flags.devkit;
    options.validation = line.flags.validation;
    options.warn = [](const std::string& text) { fmt::print(stderr, "warning: {}\n", text); };
    if (!line.flags.reencode.empty()) options.reencode = datasets::parse_reencode(line.flags.reencode);
    const datasets::PackReport report =
        datasets::pack(options, {ranks.rank(), ranks.size(), [&] { ranks.barrier(); }});
    if (ranks.rank() != 0) return ExitCode::done;
    if (report.already_complete) {
      fmt::print(stderr, "{}: already complete\n", line.flags.output);
    } else {
      fmt::print(stderr, "{}: split {}: {} images in {} shard{}, {:.1f} MB, {} quarantined\n",
                 line.flags.output, report.split, report.images, report.shards, report.shards == 1 ? "" : "s",
                 static_cast<double>(report.bytes) / 1e6, report.quarantined);
    }
    return ExitCode::done;
  });
}

ExitCode run_verify(const CommandLine& line) {
  const std::string& pack = line.paths.front();
  const auto report = datasets::verify_pack(pack, {threads_of(line.flags), line.flags.decode, true});
  for (const datasets::Problem& problem : report.problems)
    fmt::print(stderr, "{}/{}\n", pack, problem.text());
  if (!report.problems.empty()) {
    fmt::print(stderr, "{}: damaged: {} problem{}\n", pack, report.problems.size(),
               report.problems.size() == 1 ? "" : "s");
    return ExitCode::bad_data;
  }
  fmt::print(stderr, "{}: good: {} images, {} shard{}, {:.1f} MB\n", pack, report.images, report.shards,
             report.shards == 1 ? "" : "s", static_cast<double>(report.bytes) / 1e6);
  return ExitCode::done;
}

ExitCode run_info(const CommandLine& line) {
  const datasets::PackInfo info = datasets::pack_info(line.paths.front());
  const bool json = line.flags.format == OutputFormat::json;
  fmt::print("{}\n", json ? to_json(info) : to_text(info));
  return ExitCode::done;
}

ExitCode run_preview(const CommandLine& line) {
  const trainer::Config& config = line.config;
  const auto dataset = images_to_look_at(config.data.train);
  const datasets::Preview preview =
      datasets::make_preview(*dataset, {.augment = config.augment,
                                        .seed = config.run.seed,
                                        .image_size = config.model.image_size,
                                        .samples = line.flags.samples,
                                        .draws = line.flags.draws,
                                        .normalisation = config.data.normalisation});
  datasets::write_preview(preview, line.flags.output);
  if (line.flags.format == OutputFormat::json) {
    fmt::print("{}\n", datasets::to_json(preview));
  } else {
    fmt::print("{}", datasets::to_text(preview));
    fmt::print(stderr, "{}: {} images, {} draws of each\n", line.flags.output, preview.samples.size(),
               preview.draws.size());
  }
  return ExitCode::done;
}

}  // namespace vitrail::launcher
