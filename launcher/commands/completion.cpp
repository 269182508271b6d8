#include "launcher/cli/completion.hpp"

#include "launcher/options/flag_table.hpp"
#include "launcher/options/options.hpp"

namespace vitrail::launcher {
namespace {

struct CompletionFlags {};

std::vector<Option> completion_options() { return FlagTable<CompletionFlags>().done(); }

}  // namespace

Command completion_command() {
  return {.name = "completion",
          .usage = "bash",
          .summary = "a script by which the shell completes commands, options and their values",
          .example = "vitrail completion bash >~/.local/share/bash-completion/completions/vitrail",
          .least_arguments = 1,
          .most_arguments = 1,
          .flags = CompletionFlags(),
          .options = completion_options(),
          .check =
              [](const CommandLine& line) {
                if (line.arguments.front() == "bash") return;
                throw Error(ExitCode::usage, fmt::format("command line: completion {}: expected bash",
                                                         line.arguments.front()));
              },
          .run =
              [](const CommandLine&, const Environment&) {
                fmt::print("{}", bash_completion(make_options()));
                return ExitCode::done;
              }};
}

}  // namespace vitrail::launcher
