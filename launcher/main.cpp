// vitrail <command> [--config FILE ...] [--section.key VALUE ...]: parse, run the command, map failure to an
// exit code.

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "launcher/cli/stored_settings.hpp"
#include "launcher/ranks/environment.hpp"
#include "launcher/ranks/failure_report.hpp"
#include "launcher/ranks/start_checks.hpp"
#include "trainer/run/stop_signal.hpp"

namespace vitrail::launcher {
namespace {

// Before anything of ours or of LibTorch's is there, whose mathematics ends the program where the working
// directory was deleted, without a word that helps. Only the C library may be used here.
__attribute__((no_sanitize("address", "undefined", "thread"))) void check_working_directory() {
  char first = 0;
  if (::getcwd(&first, sizeof first) != nullptr || errno != ENOENT) return;  // ERANGE: it has a name
  constexpr std::string_view kWords =
      "vitrail: the working directory was deleted\n"
      "  hint: go to one that is there; where the same path was made anew: cd \"$PWD\"\n";
  while (::write(STDERR_FILENO, kWords.data(), kWords.size()) < 0 && errno == EINTR) continue;
  ::_exit(static_cast<int>(ExitCode::io));
}

// The loader calls it before it initialises libraries.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): there are no const functions
__attribute__((section(".preinit_array"), used)) void (*const kBeforeLibraries)() = check_working_directory;

// A stream that was closed would be given to the next file that is opened, and words for the user written
// into it. Results cannot be written to a stream that is open for reading: that is an error, as it should be.
void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0) ::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// The signals that ask a run to save and stop wait until somebody looks: they may come before the run is
// there.
void hold_stop_signals(int how) {
  const sigset_t signals = trainer::stop_signals();
  ::pthread_sigmask(how, &signals, nullptr);
}

ExitCode answer_or_run(const std::vector<std::string>& words) {
  const Command* command = words.empty() ? nullptr : find_command(words.front());
  const bool has_own_way = command != nullptr && command->parse != nullptr;
  const CommandLine line =
      has_own_way ? command->parse(words, read_environment()) : parse_with_stored_settings(words);
  if (command == nullptr || !command->holds_stop_signals) hold_stop_signals(SIG_UNBLOCK);
  if (!line.answer) {
    const Environment environment = read_environment();
    if (!command->by_many) check_alone(environment, command->name);
    return command->run(line, environment);
  }
  std::fputs(line.answer->text.c_str(), line.answer->code == ExitCode::done ? stdout : stderr);
  return line.answer->code;
}

// Where even this cannot be written, the exit status still tells.
void complain(const std::string& what) { std::fputs(fmt::format("vitrail: {}\n", what).c_str(), stderr); }

// Results that did not arrive are a failure, a full disk's or a closed stream's.
ExitCode flushed(ExitCode code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  throw Error(ExitCode::io, "cannot write the result to standard output");
}

ExitCode answer_or_complain(const std::vector<std::string>& words) {
  try {
    return flushed(answer_or_run(words));
  } catch (const Error& e) {
    complain(e.what());
    if (!e.hint().empty()) std::fputs(fmt::format("  hint: {}\n", e.hint()).c_str(), stderr);
    return e.code();
  } catch (const std::system_error& e) {  // what fmt::print throws
    complain(e.what());
    return ExitCode::io;
  } catch (const std::exception& e) {
    complain(e.what());
    return ExitCode::crash;
  }
}

}  // namespace
}  // namespace vitrail::launcher

int main(int count, char** words) {
  using namespace vitrail::launcher;
  hold_stop_signals(SIG_BLOCK);
  hold_standard_streams();
  ask_for_same_sums();
  hush_profiler();
  keep_memory();
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit (ulimit -f) is an error of write(), not a killed rank
  const vitrail::ExitCode code = answer_or_complain({words + 1, words + count});
  // What is left is to take LibTorch's tables of operators apart: a quarter of a short command's time.
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(code));
}
