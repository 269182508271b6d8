// What this site's Slurm does with a job: its configuration, the partition's and, inside of a job, the job's,
// asked of scontrol. What scontrol does not say is absent. parse_...: pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "launcher/ranks/environment.hpp"

namespace vitrail::launcher {

struct SlurmFacts {
  bool answers = false;  // scontrol is there, and a controller answers
  std::string version;   // "slurm 22.05.8" without the first word
  std::optional<std::int64_t> kill_wait_s, unkillable_s, credentials_s;
  std::optional<bool> job_requeue;           // what a job without --requeue or --no-requeue gets
  std::string preempt_mode;                  // "REQUEUE", "OFF", ...
  std::string partition;                     // of the job
  std::optional<std::int64_t> grace_s;       // of that partition, at preemption
  std::optional<std::int64_t> time_limit_s;  // of the job; absent: none, or no job
  std::optional<bool> requeue;               // of the job
};

using SlurmWords = std::map<std::string, std::string>;
SlurmWords parse_slurm_config(const std::string& text);  // "KillWait     = 30 sec"
SlurmWords parse_slurm_record(const std::string& text);  // "JobId=7 JobName=a b Requeue=1"

// "30 sec", "30", "00:00:30" or "1-02:00:00"; absent: something else, as UNLIMITED.
std::optional<std::int64_t> slurm_seconds(const std::string& text);

// As sbatch --time takes it: "90" minutes, "1:30:00", "2-00:00:00".
std::optional<std::int64_t> sbatch_seconds(const std::string& text);

SlurmFacts slurm_facts(const SlurmWords& config, const SlurmWords& partition, const SlurmWords& job);

SlurmFacts ask_slurm(const std::optional<SlurmJob>& job);

}  // namespace vitrail::launcher
