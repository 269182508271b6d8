#include "launcher/child_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

// Becomes the program, or says into `trouble` why it cannot.
[[noreturn]] void become(const std::vector<std::string>& words, const sigset_t& watched, int trouble) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::pthread_sigmask(SIG_UNBLOCK, &watched, nullptr);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  const int reason = errno;
  std::_Exit(::write(trouble, &reason, sizeof reason) == sizeof reason ? 127 : 126);
}

// Starts the child; an exec that succeeds closes the pipe without a word.
pid_t start(const std::vector<std::string>& words, const sigset_t& watched) {
  std::array<int, 2> trouble{};
  if (::pipe2(trouble.data(), O_CLOEXEC) != 0) throw io_error("cannot start", words[0], errno);
  const pid_t child = ::fork();
  if (child == 0) become(words, watched, trouble[1]);
  int reason = errno;
  ::close(trouble[1]);
  const bool failed = child < 0 || ::read(trouble[0], &reason, sizeof reason) == sizeof reason;
  ::close(trouble[0]);
  if (!failed) return child;
  if (child > 0) ::waitpid(child, nullptr, 0);
  throw io_error("cannot start", words[0], reason);
}

// Signals that come meanwhile wait.
class HeldSignals {
 public:
  explicit HeldSignals(const sigset_t& signals) { ::pthread_sigmask(SIG_BLOCK, &signals, &before_); }
  ~HeldSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

 private:
  sigset_t before_{};
};

// mpirun forwards no signal while it is still starting the ranks, which takes seconds on a busy machine, and
// does not keep it for later: a request is repeated until the child ends. Ranks take notice of the first one
// only.
constexpr timespec kPatience{2, 0};

int status_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

ChildEnd run_child(const std::vector<std::string>& words,
                   const std::function<void(const std::string&)>& say) {
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT, SIGCHLD}) sigaddset(&watched, signal);
  const HeldSignals held(watched);
  std::signal(SIGCHLD, SIG_DFL);  // ignored, it would never come, and the exit status would be lost
  const pid_t child = start(words, watched);

  ChildEnd end;
  int status = 0;
  int interrupts = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    const int signal = ::sigtimedwait(&watched, nullptr, &kPatience);
    if (signal < 0 && errno == EAGAIN && end.asked_to_stop) ::kill(child, SIGUSR1);
    if (signal < 0 || signal == SIGCHLD) continue;
    interrupts += signal == SIGINT ? 1 : 0;
    const bool insist = interrupts > 1;
    ::kill(child, insist ? SIGTERM : SIGUSR1);
    end.asked_to_stop = !insist;
    say(insist ? "asked again: ending the ranks now"
               : "asked to stop: the ranks save after this step (exit status 85)");
  }
  end.status = status_of(status);
  return end;
}

}  // namespace vitrail::launcher
