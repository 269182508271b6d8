#include "launcher/cli/manual.hpp"

#include "launcher/options/flag_table.hpp"
#include "launcher/options/options.hpp"

namespace vitrail::launcher {
namespace {

struct ManualFlags {};

std::vector<Option> manual_options() { return FlagTable<ManualFlags>().done(); }

}  // namespace

Command manual_command() {
  return {.name = "manual",
          .usage = "[COMMAND]",
          .summary = "the manual page of the program, or of a command, for man",
          .example = "vitrail manual launch >vitrail-launch.1; man ./vitrail-launch.1",
          .most_arguments = 1,
          .flags = ManualFlags(),
          .options = manual_options(),
          .run = [](const CommandLine& line, const Environment&) {
            fmt::print("{}", line.arguments.empty()
                                 ? manual_page()
                                 : manual_page(command_named(line.arguments.front()), make_options()));
            return ExitCode::done;
          }};
}

}  // namespace vitrail::launcher
