#include "datasets/pack/pack_verify.hpp"
#include "launcher/options/flag_table.hpp"
#include "trainer/base/processors.hpp"

namespace vitrail::launcher {
namespace {

struct VerifyFlags {
  bool decode = false;
  std::optional<std::int64_t> threads;  // absent: one per core
};

std::vector<Option> verify_options() {
  FlagTable<VerifyFlags> flags;
  flags.add("decode", &VerifyFlags::decode, {.help = "decode every image too"});
  flags.add("threads", &VerifyFlags::threads,
            {.help = "threads that read",
             .bounds = from_to(1, 1024),
             .unit = "threads",
             .absent = "one for each core"});
  return flags.done();
}

ExitCode run_verify(const CommandLine& line, const Environment&) {
  const auto& flags = line.own<VerifyFlags>();
  const std::string& pack = line.arguments.front();
  const int threads = static_cast<int>(flags.threads.value_or(available_processors()));
  const auto report = datasets::verify_pack(pack, {threads, flags.decode, true});
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

}  // namespace

Command verify_command() {
  return {.name = "verify",
          .usage = "PACK [options]",
          .summary = "read a pack in full and check every byte of it",
          .example = "vitrail verify packs/photos --decode",
          .least_arguments = 1,
          .most_arguments = 1,
          .flags = VerifyFlags(),
          .options = verify_options(),
          .run = run_verify};
}

}  // namespace vitrail::launcher
