#include "launcher/ranks/child_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <map>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/run/stop_signal.hpp"

namespace vitrail::launcher {
namespace {

// What takes the place of our own streams in a child; negative: nothing does.
struct Streams {
  int output = -1, errors = -1;
};

// Becomes the program, or says into `trouble` why it cannot.
[[noreturn]] void become(const std::vector<std::string>& words, const sigset_t& watched, int trouble,
                         const Streams& streams) {
  ::setpgid(0, 0);
  if (streams.output >= 0) ::dup2(streams.output, STDOUT_FILENO);
  if (streams.errors >= 0) ::dup2(streams.errors, STDERR_FILENO);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::pthread_sigmask(SIG_UNBLOCK, &watched, nullptr);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  const int reason = errno;
  std::_Exit(::write(trouble, &reason, sizeof reason) == sizeof reason ? 127 : 126);
}

// Starts the child. An exec that succeeds closes the pipe without a word.
pid_t start(const std::vector<std::string>& words, const sigset_t& watched, const Streams& streams) {
  std::array<int, 2> trouble{};
  if (::pipe2(trouble.data(), O_CLOEXEC) != 0) throw io_error("cannot start", words[0], errno);
  const pid_t child = ::fork();
  if (child == 0) become(words, watched, trouble[1], streams);
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

// Where a child's stderr goes: what comes is handed on by a thread. At the end it waits for what is on the
// way, but not for processes that a dead child left behind with the pipe in their hands.
class ErrorPipe {
 public:
  explicit ErrorPipe(std::function<void(const std::string&)> take) : take_(std::move(take)) {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) throw io_error("cannot make", "a pipe", errno);
  }
  ~ErrorPipe() {
    if (reader_.joinable()) {
      reader_.request_stop();
      reader_.join();
    }
    ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  ErrorPipe(const ErrorPipe&) = delete;
  ErrorPipe& operator=(const ErrorPipe&) = delete;

  int entrance() const { return ends_[1]; }

  // Once the child has its end: ours would keep the pipe open.
  void listen() {
    ::close(std::exchange(ends_[1], -1));
    reader_ = std::jthread([this](const std::stop_token& stop) { read_on(stop); });
  }

 private:
  void read_on(const std::stop_token& stop) const {
    constexpr int kQuietMs = 200;
    std::string bytes(1 << 16, '\0');
    for (;;) {
      pollfd waiting{ends_[0], POLLIN, 0};
      const int ready = ::poll(&waiting, 1, kQuietMs);
      if (ready == 0 && stop.stop_requested()) return;
      if (ready <= 0) continue;
      const ssize_t count = ::read(ends_[0], bytes.data(), bytes.size());
      if (count == 0) return;
      if (count > 0) take_(bytes.substr(0, static_cast<std::size_t>(count)));
    }
  }

  std::function<void(const std::string&)> take_;
  std::array<int, 2> ends_{-1, -1};
  std::jthread reader_;
};

// The children that live, and what we have been asked meanwhile.
class Children {
 public:
  explicit Children(const Say& say) : say_(say), watched_(signals_to_watch()), held_(watched_) {
    std::signal(SIGCHLD, SIG_DFL);  // ignored, it would never come, and the exit status would be lost
  }

  bool asked() const { return asked_to_stop_ || insisted_; }
  bool stopped_early() const { return stopped_early_; }
  std::size_t living() const { return living_.size(); }

  void add(const std::vector<std::string>& words, const Streams& streams, std::size_t job) {
    living_[start(words, watched_, streams)] = job;
  }

  // One that has ended, and its status.
  std::pair<std::size_t, int> wait() {
    for (;;) {
      for (const auto& [child, job] : living_) {
        int status = 0;
        if (::waitpid(child, &status, WNOHANG) == 0) continue;
        // One that died of the request itself, or whose own child did, had not begun to listen and has
        // nothing to save.
        const int plain = status_of(status);
        const bool early = asked_to_stop_ && (plain == 128 + SIGUSR1 || plain == 128 + SIGTERM);
        stopped_early_ = stopped_early_ || early;
        const std::pair<std::size_t, int> end{job, early ? static_cast<int>(ExitCode::saved) : plain};
        living_.erase(child);
        return end;
      }
      listen();
    }
  }

 private:
  // Asked anew each time: whether SIGHUP is ignored may change.
  static sigset_t signals_to_watch() {
    sigset_t signals = trainer::stop_signals();
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    return signals;
  }

  void listen() {
    const int signal = ::sigtimedwait(&watched_, nullptr, &kPatience);
    if (signal < 0 && errno == EAGAIN && asked_to_stop_) tell(SIGUSR1);
    if (signal < 0 || signal == SIGCHLD) return;
    interrupts_ += signal == SIGINT ? 1 : 0;
    insisted_ = interrupts_ > 1;
    asked_to_stop_ = !insisted_;
    tell(insisted_ ? SIGTERM : SIGUSR1);
    say_(insisted_ ? "asked again: ending the ranks now"
                   : "asked to stop: the ranks save after this step (exit status 85)");
  }

  void tell(int signal) const {
    for (const auto& [child, unused] : living_) ::kill(child, signal);
  }

  const Say& say_;
  const sigset_t watched_;
  HeldSignals held_;
  std::map<pid_t, std::size_t> living_;
  int interrupts_ = 0;
  bool asked_to_stop_ = false, insisted_ = false, stopped_early_ = false;
};

}  // namespace

ChildEnd run_child(const std::vector<std::string>& words, const Say& say,
                   const std::function<void(const std::string&)>& errors) {
  Children children(say);
  std::optional<ErrorPipe> pipe;
  if (errors) pipe.emplace(errors);
  children.add(words, {.errors = pipe ? pipe->entrance() : -1}, 0);
  if (pipe) pipe->listen();
  const int status = children.wait().second;
  return {status, children.stopped_early()};
}

bool run_children(std::size_t at_once, const std::function<std::optional<ChildJob>()>& next,
                  const std::function<void(std::size_t job, int status)>& ended, const Say& say) {
  Children children(say);
  std::size_t started = 0;
  for (;;) {
    while (!children.asked() && children.living() < at_once) {
      const std::optional<ChildJob> job = next();
      if (!job) break;
      const File output(job->output, File::Mode::append);
      children.add(job->words, {output.descriptor(), output.descriptor()}, started++);
    }
    if (children.living() == 0) return children.asked();
    const auto [job, status] = children.wait();
    ended(job, status);
  }
}

}  // namespace vitrail::launcher
