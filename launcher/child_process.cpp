#include "launcher/child_process.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

[[noreturn]] void become(const std::vector<std::string>& words, const sigset_t& mask) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  std::perror(fmt::format("vitrail: cannot start {}", words[0]).c_str());
  std::_Exit(127);
}

int status_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

int run_child(const std::vector<std::string>& words, const std::function<void(const std::string&)>& say) {
  sigset_t watched, before;
  sigemptyset(&watched);
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT, SIGCHLD}) sigaddset(&watched, signal);
  ::pthread_sigmask(SIG_BLOCK, &watched, &before);
  const pid_t child = ::fork();
  if (child < 0) throw io_error("cannot start", words[0], errno);
  if (child == 0) become(words, before);

  int status = 0;
  int interrupts = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    const int signal = ::sigwaitinfo(&watched, nullptr);
    if (signal < 0 || signal == SIGCHLD) continue;
    interrupts += signal == SIGINT ? 1 : 0;
    const bool insist = interrupts > 1;
    say(insist ? "asked again: ending the ranks now"
               : "asked to stop: the ranks save after this step (exit status 85)");
    ::kill(child, insist ? SIGTERM : SIGUSR1);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return status_of(status);
}

}  // namespace vitrail::launcher
