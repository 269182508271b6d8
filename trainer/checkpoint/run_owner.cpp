#include "trainer/checkpoint/run_owner.hpp"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPoll{200};
constexpr std::size_t kDigits = 8;  // of a claim's number

// A file of /proc or /sys, which has no size to ask for; empty where there is none.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Where process numbers mean the same: this boot of this kernel, this process namespace.
std::string process_space() {
  std::error_code none;
  return first_line("/proc/sys/kernel/random/boot_id") + " " +
         fs::read_symlink("/proc/self/ns/pid", none).string();
}

// When the process began, in the kernel's ticks: a number that is used again has another. Empty: it has ended
// and waits to be collected. Absent: nothing can be read of it.
std::optional<std::string> process_start(std::int64_t process) {
  const std::string line = first_line(fmt::format("/proc/{}/stat", process));
  const std::size_t name_end = line.rfind(')');  // the name before it may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  constexpr int kState = 3, kStart = 22;
  std::string field;
  for (int i = kState; i <= kStart && fields >> field; ++i) {
    if (i == kState && (field == "Z" || field == "X")) return "";
  }
  return field;
}

struct Claim {
  Attempt attempt;
  std::string space, start;
  bool released = false;
};

std::string to_text(const Claim& claim) {
  const Attempt& a = claim.attempt;
  return nlohmann::json({{"host", a.host},
                         {"process", a.process},
                         {"job", a.job},
                         {"restart", a.restart},
                         {"space", claim.space},
                         {"start", claim.start},
                         {"released", claim.released}})
             .dump() +
         "\n";
}

// Absent: just being written, or nothing that we wrote.
std::optional<Claim> read_claim(const fs::path& path) {
  if (std::error_code error; !fs::is_regular_file(path, error)) return std::nullopt;  // a pipe would block
  try {
    const auto json = nlohmann::json::parse(read_text(path));
    return Claim{{json.at("host"), json.at("process"), json.at("job"), json.at("restart")},
                 json.at("space"),
                 json.at("start"),
                 json.at("released")};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

using Life = LastOwner::Life;

Life life_of(const Claim& claim, const Attempt& self) {
  if (claim.released) return Life::ended;
  if (claim.space == process_space()) {
    const auto process = static_cast<pid_t>(claim.attempt.process);
    if (::kill(process, 0) != 0 && errno == ESRCH) return Life::ended;
    const std::optional<std::string> start = process_start(process);
    if (!start || claim.start.empty()) return Life::unknown;
    return *start == claim.start ? Life::alive : Life::ended;
  }
  const bool same_job = !self.job.empty() && claim.attempt.job == self.job;
  if (same_job && claim.attempt.restart < self.restart) return Life::ended;  // Slurm ended it
  return Life::unknown;
}

fs::path claim_path(const fs::path& folder, std::int64_t number) {
  return folder / fmt::format("{:08}", number);
}

std::int64_t highest_claim(const fs::path& folder) {
  std::int64_t highest = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const bool is_number =
        name.size() == kDigits && name.find_first_not_of("0123456789") == std::string::npos;
    if (is_number) highest = std::max<std::int64_t>(highest, std::stoll(name));
  }
  if (error) throw io_error("cannot list", folder, error.value());
  return highest;
}

// The time of the last sign of life, by the clock of whoever keeps the file; only compared with itself.
timespec last_sign(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mtim : timespec{};
}

// Returns when claim `number` is of an attempt that has ended, or is no longer the highest.
void outlast(const fs::path& folder, std::int64_t number, const Attempt& self, const OwnerWait& wait,
             const OwnerTimes& times) {
  const fs::path path = claim_path(folder, number);
  timespec sign = last_sign(path);
  const auto began = Clock::now();
  auto moved = began - times.lease;  // when we last saw a sign of life
  std::string owner = "an attempt that is just starting";
  for (bool said = false;; std::this_thread::sleep_for(kPoll)) {
    if (highest_claim(folder) != number) return;
    const auto claim = read_claim(path);
    const Life life = claim ? life_of(*claim, self) : Life::unknown;
    if (life == Life::ended) return;
    if (claim) owner = claim->attempt.description();
    if (wait.stopped()) throw Error(ExitCode::saved, "asked to stop before the first step");
    const auto now = Clock::now();
    const timespec latest = last_sign(path);
    if (latest.tv_sec != sign.tv_sec || latest.tv_nsec != sign.tv_nsec) moved = now;
    sign = latest;
    const bool alive = life == Life::alive || now - moved < 3 * times.beat;
    if (alive && now - began >= times.patience) {
      throw Error(
          ExitCode::refused,
          fmt::format("{} belongs to {}, which is still running", folder.parent_path().string(), owner),
          "wait for it or stop it; a second run needs another run.name or run.dir");
    }
    if (!alive && now - std::max(began, moved) >= times.lease) {
      wait.say(
          fmt::format("{} gave no sign of life for {} s: taken over", owner, times.lease.count() / 1000));
      return;
    }
    if (!said)
      wait.say(fmt::format("{} belongs to {}: waiting for it to end", folder.parent_path().string(), owner));
    said = true;
  }
}

bool create_claim(const fs::path& path, const Claim& claim) {
  std::optional<File> file;
  try {
    file.emplace(path, File::Mode::create_new);
  } catch (const Error&) {
    if (fs::exists(path)) return false;  // somebody else was faster
    throw;
  }
  const std::string text = to_text(claim);
  file->write(std::as_bytes(std::span(text)));
  file->sync();
  return true;
}

Claim claim_of(const Attempt& self) {
  return {self, process_space(), process_start(self.process).value_or("")};
}

std::int64_t claim_run(const fs::path& folder, const Attempt& self, const OwnerWait& wait,
                       const OwnerTimes& times) {
  make_directories(folder);
  for (;;) {
    const std::int64_t last = highest_claim(folder);
    if (last > 0) outlast(folder, last, self, wait, times);
    if (highest_claim(folder) != last || !create_claim(claim_path(folder, last + 1), claim_of(self)))
      continue;
    if (highest_claim(folder) == last + 1) return last + 1;
    fs::remove(claim_path(folder, last + 1));  // a number that others had used and removed meanwhile
  }
}

void remove_claims_before(const fs::path& folder, std::int64_t number) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path() < claim_path(folder, number)) fs::remove(entry.path(), error);
  }
}

}  // namespace

std::string Attempt::label() const {
  return job.empty() ? fmt::format("{}-{}", host, process) : fmt::format("job{}-{}", job, restart);
}

std::string Attempt::description() const {
  return job.empty() ? fmt::format("process {} on {}", process, host)
                     : fmt::format("job {} (restart {}) on {}", job, restart, host);
}

std::optional<LastOwner> last_owner(const fs::path& folder) {
  if (std::error_code error; !fs::is_directory(folder, error)) return std::nullopt;
  const std::int64_t number = highest_claim(folder);
  const auto claim = read_claim(claim_path(folder, number));
  if (number == 0 || !claim) return std::nullopt;
  const std::chrono::seconds sign(last_sign(claim_path(folder, number)).tv_sec);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return LastOwner{claim->attempt, number, life_of(*claim, {}),
                   std::chrono::duration_cast<std::chrono::seconds>(now - sign)};
}

RunOwner::RunOwner(const fs::path& folder, const Attempt& self, const OwnerWait& wait,
                   const OwnerTimes& times)
    : folder_(folder), number_(claim_run(folder, self, wait, times)) {
  remove_claims_before(folder_, number_);
  heart_ = std::jthread([this, every = times.beat](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, every, [&] { return stop.stop_requested(); })) beat();
  });
}

RunOwner::~RunOwner() {
  heart_.request_stop();
  heart_.join();
  try {
    auto claim = read_claim(claim_path(folder_, number_));
    if (!claim) return;  // taken over and removed
    claim->released = true;
    write_text_atomically(claim_path(folder_, number_), to_text(*claim));
  } catch (const std::exception&) {
    return;  // the next attempt sees by itself that we are gone
  }
}

void RunOwner::beat() {
  ::utimensat(AT_FDCWD, claim_path(folder_, number_).c_str(), nullptr, 0);
  try {
    if (highest_claim(folder_) != number_) lost_ = true;
  } catch (const std::exception&) {
    return;  // a folder that cannot be read just now proves nothing
  }
}

void RunOwner::check(Look look) const {
  if (!lost_ && (look == Look::lately || highest_claim(folder_) == number_)) return;
  const auto owner = read_claim(claim_path(folder_, highest_claim(folder_)));
  throw Error(
      ExitCode::refused,
      fmt::format("{} was taken over by {}: this attempt ends without writing anything more",
                  folder_.parent_path().string(), owner ? owner->attempt.description() : "a later attempt"));
}

}  // namespace vitrail::trainer
