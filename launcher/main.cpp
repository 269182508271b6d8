// vitrail <command> [--config FILE ...] [--section.key VALUE ...]: parse, run the command, map failure to an
// exit code.

#include <csignal>
#include <cstdio>
#include <exception>

#include "launcher/failure_report.hpp"
#include "launcher/run_commands.hpp"
#include "launcher/stored_settings.hpp"

namespace vitrail::launcher {
namespace {

ExitCode run(const CommandLine& line, const Environment& environment) {
  switch (line.command) {
    case Command::pack:
      return run_pack(line, environment);
    case Command::verify:
      return run_verify(line);
    case Command::info:
      return run_info(line);
    case Command::launch:
      return run_launch(line, environment);
    case Command::train:
      return run_train(line, environment);
    case Command::eval:
      return run_eval(line, environment);
    case Command::models:
      return run_models(line);
    case Command::export_weights:
      return run_export(line);
    case Command::checkpoint:
      return run_checkpoint(line);
  }
  return ExitCode::usage;
}

ExitCode answer_or_run(const std::vector<std::string>& words) {
  const CommandLine line = parse_with_stored_settings(words);
  if (!line.answer) return run(line, read_environment());
  std::fputs(line.answer->text.c_str(), line.answer->code == ExitCode::done ? stdout : stderr);
  return line.answer->code;
}

}  // namespace
}  // namespace vitrail::launcher

int main(int count, char** words) {
  using vitrail::ExitCode;
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit (ulimit -f) is an error of write(), not a killed rank
  try {
    return static_cast<int>(vitrail::launcher::answer_or_run({words + 1, words + count}));
  } catch (const vitrail::Error& e) {
    fmt::print(stderr, "vitrail: {}\n", e.what());
    if (!e.hint().empty()) fmt::print(stderr, "  hint: {}\n", e.hint());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    fmt::print(stderr, "vitrail: {}\n", e.what());
    return static_cast<int>(ExitCode::crash);
  }
}
