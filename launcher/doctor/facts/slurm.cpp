#include "launcher/doctor/facts/slurm.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <sstream>

#include <fmt/format.h>

#include "launcher/ranks/job_time.hpp"
#include "trainer/base/text/number.hpp"

namespace vitrail::launcher {
namespace {

// Empty where the command is not there, fails or hangs.
std::string said_by(const std::string& command) {
  const std::string quiet = "timeout 20 " + command + " 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(quiet.c_str(), "re"), ::pclose);
  if (!pipe) return "";
  std::string text;
  std::array<char, 4096> part{};
  for (std::size_t read = 0; (read = std::fread(part.data(), 1, part.size(), pipe.get())) > 0;)
    text.append(part.data(), read);
  return text;
}

std::string without_blanks(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::string word_of(const SlurmWords& words, const char* key) {
  const auto found = words.find(key);
  return found == words.end() ? "" : found->second;
}

std::optional<bool> truth_of(const SlurmWords& words, const char* key) {
  const std::string value = word_of(words, key);
  return value.empty() ? std::nullopt : std::optional(value != "0");
}

// "socket=/run/munge,cred_expire=5"; two minutes unless it is told.
std::int64_t credentials_of(const std::string& auth_info) {
  constexpr std::int64_t kUsual = 120;
  const std::string key = "cred_expire=";
  const std::size_t begin = auth_info.find(key);
  if (begin == std::string::npos) return kUsual;
  const std::string rest = auth_info.substr(begin + key.size());
  return whole_number<std::int64_t>(rest.substr(0, rest.find(','))).value_or(kUsual);
}

// What a shell takes as it stands.
bool is_plain(const std::string& word) {
  return !word.empty() &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
             std::string::npos;
}

}  // namespace

SlurmWords parse_slurm_config(const std::string& text) {
  SlurmWords words;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find(" = ");
    if (equals != std::string::npos)
      words[without_blanks(line.substr(0, equals))] = without_blanks(line.substr(equals + 3));
  }
  return words;
}

SlurmWords parse_slurm_record(const std::string& text) {
  SlurmWords words;
  std::istringstream parts(text);
  for (std::string word; parts >> word;) {
    const std::size_t equals = word.find('=');
    if (equals != std::string::npos && equals > 0)
      words.emplace(word.substr(0, equals), word.substr(equals + 1));
  }
  return words;
}

std::optional<std::int64_t> slurm_seconds(const std::string& text) {
  if (const auto left = parse_time_left(text)) return left->count();
  const std::size_t blank = text.find(' ');
  if (blank != std::string::npos && !text.substr(blank + 1).starts_with("sec")) return std::nullopt;
  return whole_number<std::int64_t>(text.substr(0, blank));
}

std::optional<std::int64_t> sbatch_seconds(const std::string& text) {
  if (const auto minutes = whole_number<std::int64_t>(text)) return 60 * *minutes;
  return slurm_seconds(text);
}

SlurmFacts slurm_facts(const SlurmWords& config, const SlurmWords& partition, const SlurmWords& job) {
  SlurmFacts facts;
  facts.answers = !config.empty();
  facts.version = word_of(config, "SLURM_VERSION");
  facts.kill_wait_s = slurm_seconds(word_of(config, "KillWait"));
  facts.unkillable_s = slurm_seconds(word_of(config, "UnkillableStepTimeout"));
  if (facts.answers) facts.credentials_s = credentials_of(word_of(config, "AuthInfo"));
  facts.job_requeue = truth_of(config, "JobRequeue");
  facts.preempt_mode = word_of(config, "PreemptMode");
  facts.partition = word_of(partition, "PartitionName");
  facts.grace_s = slurm_seconds(word_of(partition, "GraceTime"));
  facts.time_limit_s = slurm_seconds(word_of(job, "TimeLimit"));
  facts.requeue = truth_of(job, "Requeue");
  return facts;
}

SlurmFacts ask_slurm(const std::optional<SlurmJob>& job) {
  const SlurmWords config = parse_slurm_config(said_by("scontrol show config"));
  SlurmWords of_job, partition;
  if (config.empty()) return {};
  if (job && is_plain(job->id))
    of_job = parse_slurm_record(said_by("scontrol --oneliner show job " + job->id));
  const std::string name = word_of(of_job, "Partition");
  if (is_plain(name)) partition = parse_slurm_record(said_by("scontrol --oneliner show partition " + name));
  return slurm_facts(config, partition, of_job);
}

}  // namespace vitrail::launcher
