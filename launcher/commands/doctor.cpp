#include "launcher/doctor/examine.hpp"
#include "launcher/doctor/flags.hpp"
#ifdef VITRAIL_TORCH
#include <algorithm>

#include "launcher/doctor/checks/machine.hpp"
#include "launcher/ranks/start_checks.hpp"
#include "launcher/ranks/world.hpp"
#include "sharding/agreement/gather_text.hpp"
#include "trainer/base/files/atomic_file.hpp"
#endif

namespace vitrail::launcher {
namespace {

struct DoctorOptions : DoctorFlags {
  OutputFormat format = OutputFormat::text;
};

std::vector<Option> doctor_options() {
  FlagTable<DoctorOptions> flags;
  add_doctor_flags(flags);
  flags.config_files();
  flags.format(&DoctorOptions::format);
  return flags.done();
}

#ifdef VITRAIL_TORCH
bool names_settings(const CommandLine& line) {
  return !line.config_files.empty() || std::ranges::any_of(line.flags_given, [](const std::string& key) {
    return key.find('.') != std::string::npos;
  });
}

void print_examined(const Examined& examined, OutputFormat format) {
  fmt::print("{}", format == OutputFormat::json ? examined_json(examined) : examined_text(examined));
  std::fflush(stdout);
}

Question question_of(const CommandLine& line) {
  const auto& flags = line.own<DoctorOptions>();
  Question question;
  question.config = line.config;
  question.run = asked_run(line.config, names_settings(line));
  question.gpu = flags.gpu;
  question.node_gb_per_s = flags.node_gb_per_s;
  question.network_gb_per_s = flags.network_gb_per_s;
  return question;
}

// A table of one line where tasks are no ranks of one world: the first of them shows it.
void show_unjoined(const CommandLine& line, const Environment& environment) {
  try {
    check_joined(environment);
  } catch (const Error& e) {
    if (environment.unjoined.number == 0) {
      print_examined({"vitrail doctor", environment.unjoined.tasks, {environment.host}, {unjoined_tasks(e)}},
                     line.own<DoctorOptions>().format);
    }
    end_before_world(environment, Error(e.code(), "the tasks are no ranks of one world"), false);
  }
}

ExitCode run_doctor(const CommandLine& line, const Environment& environment) {
  const auto& flags = line.own<DoctorOptions>();
  show_unjoined(line, environment);
  if (!flags.links.empty() && environment.world == 1) {
    throw Error(ExitCode::refused, "--links: one rank has no links",
                "start it on several: vitrail launch --doctor");
  }
  sharding::ShardingConfig waiting = line.config.sharding;
  constexpr std::int64_t kPatience = 120;  // nobody waits longer for a look
  waiting.timeout.count = std::min(waiting.timeout.count == 0 ? kPatience : waiting.timeout.count, kPatience);
  World world(environment, waiting);
  return world.run("the examination", [&] {
    sharding::Communicator& ranks = world.communicator();
    const Examination done = examine(ranks, environment, question_of(line));
    sharding::agree(ranks, [&] {
      if (ranks.rank() != 0) return;
      print_examined(done.examined, flags.format);
      if (flags.links.empty()) return;
      write_text_atomically(flags.links, to_text(done.links));
    });
    const std::string verdict =
        sharding::gather_text(ranks, name_of(worst_of(done.examined.findings))).front();
    return verdict == name_of(Verdict::failed) ? ExitCode::refused : ExitCode::done;
  });
}
#else
ExitCode run_doctor(const CommandLine& line, const Environment& environment) {
  return built_without_torch(line, environment);
}
#endif

}  // namespace

Command doctor_command() {
  return {.name = "doctor",
          .usage = "[--config FILE ...] [--section.key VALUE ...]",
          .summary = "look at machines, network, file system, data and Slurm before a run does",
          .example = "vitrail doctor --config configs/quickstart.cfg",
          .note =
              "\nAlone it looks at this machine; by srun, mpirun or `vitrail launch --doctor` at all ranks "
              "as one\n"
              "world. With a run's settings it also looks at what they name: folder, data, length. Exit "
              "status 78\n"
              "where something failed.\n",
          .uses = every_setting_of_runs,
          .flags = DoctorOptions(),
          .options = doctor_options(),
          .stored = Stored::run,
          .lacks_settings = [](const CommandLine&) { return true; },
          .by_many = true,
          .run = run_doctor};
}

}  // namespace vitrail::launcher
