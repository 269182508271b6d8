#include "launcher/ranks/rank_deaths.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <regex>
#include <utility>

#include <fmt/format.h>

#include "trainer/base/error.hpp"
#include "trainer/base/text/number.hpp"

namespace vitrail::launcher {
namespace {

constexpr std::size_t kMostBoxLines = 30;

// A line of dashes alone, as long as mpirun draws them.
bool is_border(const std::string& line) {
  return line.size() >= 60 && line.find_first_not_of('-') == std::string::npos;
}

// Of ranks that ended, which our own report tells better.
bool tells_of_ranks(const std::string& box) {
  constexpr std::array kWords = {"mpirun noticed that process rank", "Primary job  terminated normally",
                                 "mpirun detected that one or more processes exited"};
  for (const char* words : kWords) {
    if (box.find(words) != std::string::npos) return true;
  }
  return false;
}

// A rank that saved and stopped is no error, and its step ends with it.
bool tells_of_a_stop(const std::string& line) {
  static const std::regex by_srun(
      R"(srun: (error: \S+: tasks? [\d,-]+: Exited with exit code 85|launch/slurm: _step_signal: .*|Terminating StepId=.*)\s*)");
  static const std::regex by_mpirun(R"(mpirun: Forwarding signal \d+ to job\s*)");
  return std::regex_match(line, by_srun) || std::regex_match(line, by_mpirun);
}

// Ends that are no death: the ranks themselves have said why.
bool is_own_exit(const std::string& how) {
  static const std::regex with_status(R"(Exited with exit code (\d+))");
  std::smatch match;
  if (!std::regex_match(how, match, with_status)) return false;
  constexpr std::array kOurs = {ExitCode::crash,   ExitCode::usage, ExitCode::bad_data, ExitCode::io,
                                ExitCode::refused, ExitCode::saved, ExitCode::watchdog, ExitCode::diverged};
  return std::any_of(kOurs.begin(), kOurs.end(),
                     [&](ExitCode code) { return match[1] == fmt::format("{}", static_cast<int>(code)); });
}

// A step ends as a whole: from here on srun kills the others.
bool ends_the_step(const std::string& line) {
  static const std::regex by_srun(
      R"(srun: (launch/slurm: |)(_step_signal: Terminating|launch_p_step_launch:|Terminating|Job step aborted:) .*)");
  return std::regex_match(line, by_srun);
}

// The number behind `key` in a file of lines "key number"; absent where there is none.
std::optional<std::int64_t> entry(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string name, value;
  while (file >> name >> value) {
    if (name == key) return whole_number<std::int64_t>(value);
  }
  return std::nullopt;
}

std::string cgroup_folder() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::")) return "/sys/fs/cgroup" + line.substr(3);
  }
  return "";
}

}  // namespace

std::optional<RankDeath> rank_death(const std::string& line) {
  static const std::regex by_srun(R"(srun: error: (\S+): tasks? ([\d,-]+): (.+?)( \(core dumped\))?\s*)");
  static const std::regex not_started(R"(srun: error: task (\d+) launch failed: (.+?)\s*)");
  static const std::regex by_mpirun(
      R"(mpirun noticed that process rank (\d+) with PID \d+ on node (\S+) exited on signal \d+ \((.+)\)\.\s*)");
  std::smatch match;
  if (std::regex_match(line, match, by_srun)) return RankDeath{match[2], match[1], match[3]};
  if (std::regex_match(line, match, not_started)) return RankDeath{match[1], "", match[2]};
  if (std::regex_match(line, match, by_mpirun)) return RankDeath{match[1], match[2], match[3]};
  return std::nullopt;
}

void StderrFilter::take(const std::string& bytes) {
  partial_ += bytes;
  std::size_t begin = 0;
  for (std::size_t end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', begin)) {
    take_line(partial_.substr(begin, end - begin));
    begin = end + 1;
  }
  partial_.erase(0, begin);
  // A progress line is redrawn without ever ending.
  if (!box_ && partial_.find('\r') != std::string::npos) write_(std::exchange(partial_, ""));
}

void StderrFilter::take_line(const std::string& line) {
  if (ends_the_step(line)) step_ends_ = true;
  if (tells_of_a_stop(line)) return;
  if (const auto death = rank_death(line)) take_death(*death);
  if (!box_ && !is_border(line)) return write_(line + "\n");
  const bool opens = !box_;
  box_ = box_.value_or("") + line + "\n";
  box_lines_ = opens ? 1 : box_lines_ + 1;
  if (opens || (!is_border(line) && box_lines_ < kMostBoxLines)) return;
  if (!tells_of_ranks(*box_)) write_(*box_);
  box_.reset();
}

// What the end of the step brings with it is no cause, once there is one.
void StderrFilter::take_death(const RankDeath& death) {
  if (step_ends_ && cause_is_known_) return;
  cause_is_known_ = true;
  if (!is_own_exit(death.how)) deaths_.push_back(death);
}

void StderrFilter::end() {
  if (box_) write_(*std::exchange(box_, std::nullopt));
  if (!partial_.empty()) write_(std::exchange(partial_, ""));
}

std::int64_t OutOfMemoryKills::count() {
  if (const auto of_cgroup = entry(cgroup_folder() + "/memory.events", "oom_kill")) return *of_cgroup;
  return entry("/proc/vmstat", "oom_kill").value_or(0);
}

}  // namespace vitrail::launcher
