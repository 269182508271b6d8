#include "launcher/commands/schedule/print_schedule.hpp"

#include "datasets/loader/sampler.hpp"
#include "launcher/commands/schedule/schedule_listing.hpp"
#include "launcher/commands/schedule/training_images.hpp"

namespace vitrail::launcher {

void refuse_two_prints(CommandLine& line) {
  std::string first = line.print_config ? "print-config" : "";
  for (const char* flag : {"print-schedule", "check", "doctor"}) {
    if (!line.flags_given.contains(flag)) continue;
    if (!first.empty()) {
      throw Error(
          ExitCode::usage,
          fmt::format("command line: --{} and --{}: each does nothing else; leave one out", flag, first));
    }
    first = flag;
  }
}

ExitCode print_schedule(const trainer::Config& config, const PrintSchedule& flags) {
  const std::int64_t steps_per_epoch =
      datasets::steps_per_epoch(training_images(config.data, flags.images), config.data.global_batch_size);
  const trainer::Schedule schedule(config, trainer::total_steps(config.run, steps_per_epoch),
                                   steps_per_epoch);
  const bool json = flags.format == OutputFormat::json;
  fmt::print("{}", json ? schedule_json(config, schedule) : schedule_text(config, schedule));
  return ExitCode::done;
}

}  // namespace vitrail::launcher
