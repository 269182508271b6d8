#include "trainer/watch/thread_stacks.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include <execinfo.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vitrail::trainer {
namespace {

constexpr int kFrames = 64;

// Shared with a signal handler, which can be given nothing.
std::atomic<int> answers{0};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

int stack_signal() { return SIGRTMIN + 5; }

// Calls only what a signal handler may call; backtrace() has loaded its library in prepare_thread_stacks().
void write_own_stack(int) {
  const int before = errno;
  std::array<void*, kFrames> frames{};
  const int count = ::backtrace(frames.data(), kFrames);
  ::backtrace_symbols_fd(frames.data(), count, STDERR_FILENO);
  ++answers;
  errno = before;
}

void write_text(const std::string& text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // nowhere left to say it
}

// Some libraries' own threads take no signals (jemalloc's, within Arrow).
bool takes_stack_signal(const std::filesystem::path& task) {
  const std::string field = "SigBlk:";
  std::ifstream file(task / "status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(field))
      return (std::stoull(line.substr(field.size()), nullptr, 16) >> (stack_signal() - 1) & 1) == 0;
  }
  return false;  // it has ended
}

std::string name_of_thread(const std::filesystem::path& task) {
  std::ifstream file(task / "comm");
  std::string name;
  std::getline(file, name);
  return name;
}

void show_stack(int thread, const std::string& name) {
  write_text(fmt::format("thread {} ({}):\n", thread, name));
  const int seen = answers;
  if (::syscall(SYS_tgkill, ::getpid(), thread, stack_signal()) != 0) return;
  for (int tries = 0; answers == seen && tries < 50; ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (answers == seen) write_text("  does not answer\n");
}

}  // namespace

void prepare_thread_stacks() {
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // its first call allocates
  struct sigaction action {};
  action.sa_handler = write_own_stack;
  action.sa_flags = SA_RESTART;
  ::sigaction(stack_signal(), &action, nullptr);
}

void show_thread_stacks(const std::string& title) {
  std::fflush(stderr);
  write_text(fmt::format("vitrail: {}; stacks of all threads follow\n", title));
  const auto self = static_cast<int>(::syscall(SYS_gettid));
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const int thread = std::stoi(task.path().filename().string());
    if (thread != self && takes_stack_signal(task.path())) show_stack(thread, name_of_thread(task.path()));
  }
}

}  // namespace vitrail::trainer
