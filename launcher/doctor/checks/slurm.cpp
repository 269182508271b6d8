#include "launcher/doctor/checks/slurm.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace vitrail::launcher {
namespace {

constexpr const char* kSlurm = "Slurm";
constexpr std::int64_t kStarting = 30;  // seconds until a run's first step

std::string span_text(std::int64_t seconds) { return seconds_text(static_cast<double>(seconds)); }

// After SIGTERM: the rest of a step, and a write.
std::int64_t ending(const JobTimes& times) {
  constexpr double kStep = 5;
  return static_cast<std::int64_t>(kStep + times.save.value_or(5));
}

// Who is told only by SIGTERM has so long.
Finding check_kill_wait(const SlurmFacts& facts, const JobTimes& times) {
  Finding finding{kSlurm, "KillWait"};
  if (!facts.kill_wait_s) return {kSlurm, "KillWait", Verdict::unknown, "scontrol does not tell"};
  finding.numbers = {{"seconds", static_cast<double>(*facts.kill_wait_s)}};
  finding.figure = fmt::format("{} from SIGTERM to SIGKILL at the time limit; saving takes about {}",
                               span_text(*facts.kill_wait_s), span_text(ending(times)));
  if (*facts.kill_wait_s >= ending(times) || times.warning.value_or(0) > 0) return finding;
  finding.verdict = Verdict::warning;
  finding.remedy = "ask to be warned earlier, as slurm/*.sh do: sbatch --signal=B:USR1@180";
  return finding;
}

Finding check_preemption(const SlurmFacts& facts, const JobTimes& times) {
  if (facts.preempt_mode.empty() || facts.preempt_mode == "OFF")
    return {kSlurm, "preemption", Verdict::ok, "off: jobs are not preempted"};
  if (!facts.grace_s) {
    return {kSlurm, "preemption", Verdict::unknown,
            fmt::format("{}; inside of a job the partition's GraceTime is looked at", facts.preempt_mode)};
  }
  Finding finding{kSlurm, "preemption"};
  finding.numbers = {{"grace_s", static_cast<double>(*facts.grace_s)}};
  finding.figure = fmt::format("{}, GraceTime of {}: {}; saving takes about {}", facts.preempt_mode,
                               facts.partition, span_text(*facts.grace_s), span_text(ending(times)));
  if (*facts.grace_s >= ending(times)) return finding;
  finding.verdict = Verdict::warning;
  finding.remedy = fmt::format(
      "preemption costs the steps since the last checkpoint: save more often (checkpoint.every{})",
      times.every ? fmt::format(", now {}", seconds_text(*times.every)) : "");
  return finding;
}

Finding check_requeue(const SlurmFacts& facts) {
  Finding finding{kSlurm, "requeue"};
  if (facts.requeue) {
    finding.figure = *facts.requeue ? "this job comes back after preemption and lost nodes"
                                    : "this job does not come back (Requeue=0)";
    if (!*facts.requeue) {
      finding.verdict = Verdict::warning;
      finding.remedy = "submit it with --requeue, as slurm/*.sh do";
    }
    return finding;
  }
  if (!facts.job_requeue) return {kSlurm, "requeue", Verdict::unknown, "scontrol does not tell"};
  finding.figure = *facts.job_requeue ? "JobRequeue = 1: jobs come back after preemption and lost nodes"
                                      : "JobRequeue = 0: a job comes back only if it asks to";
  if (!*facts.job_requeue) {
    finding.verdict = Verdict::warning;
    finding.remedy = "submit with --requeue, as slurm/*.sh do";
  }
  return finding;
}

// A rank that waits for a GPU or a file server ends late; a node where one does not end in time is drained.
Finding check_unkillable(const SlurmFacts& facts) {
  constexpr std::int64_t kEnough = 60;
  if (!facts.unkillable_s)
    return {kSlurm, "UnkillableStepTimeout", Verdict::unknown, "scontrol does not tell"};
  Finding finding{kSlurm, "UnkillableStepTimeout"};
  finding.numbers = {{"seconds", static_cast<double>(*facts.unkillable_s)}};
  finding.figure =
      fmt::format("{} until a node whose ranks do not end is drained", span_text(*facts.unkillable_s));
  if (*facts.unkillable_s >= kEnough) return finding;
  finding.verdict = Verdict::warning;
  finding.remedy = "ranks that wait for a GPU or the file system may need longer: ask the site for 180 s";
  return finding;
}

Finding check_credentials(const SlurmFacts& facts) {
  constexpr std::int64_t kLong = 600;
  if (!facts.credentials_s) return {kSlurm, "credentials", Verdict::unknown, "scontrol does not tell"};
  Finding finding{kSlurm, "credentials"};
  finding.numbers = {{"seconds", static_cast<double>(*facts.credentials_s)}};
  finding.figure = fmt::format("a requeued job waits {} at least (AuthInfo's cred_expire)",
                               span_text(*facts.credentials_s));
  if (*facts.credentials_s <= kLong) return finding;
  finding.verdict = Verdict::warning;
  finding.remedy = "ask the site for a shorter cred_expire, or ask for fewer interruptions: a longer --time";
  return finding;
}

}  // namespace

Finding check_time_limit(const SlurmFacts& facts, const JobTimes& times) {
  const auto limit = facts.time_limit_s ? facts.time_limit_s : times.limit;
  Finding finding{kSlurm, "time limit"};
  if (!limit) {
    finding.verdict = Verdict::unknown;
    finding.figure =
        "none told; for a job before the queue: vitrail launch --check --time-limit 24:00:00 --signal-lead "
        "180";
    return finding;
  }
  const std::int64_t lead = std::max(times.warning.value_or(0), times.stop_before);
  finding.numbers = {{"limit_s", static_cast<double>(*limit)}, {"lead_s", static_cast<double>(lead)}};
  finding.figure = span_text(*limit);
  if (times.warning)
    finding.figure += fmt::format("; the warning comes {} before its end", span_text(*times.warning));
  if (times.stop_before > 0)
    finding.figure += fmt::format("; run.stop_before = {}", span_text(times.stop_before));
  if (times.every) finding.figure += fmt::format("; checkpoint.every = {}", seconds_text(*times.every));
  const std::int64_t least = lead + kStarting;
  if (*limit <= least) {
    finding.verdict = Verdict::failed;
    finding.figure +=
        fmt::format(": every attempt would end before its first step, which takes about {} s", kStarting);
    finding.remedy = fmt::format("sbatch --time={} or more (minutes), or a later warning", least / 60 + 5);
  } else if (lead == 0) {
    finding.verdict = Verdict::warning;
    finding.remedy =
        "nothing warns the run before its time is over: sbatch --signal=B:USR1@180, or run.stop_before above "
        "0s";
  } else if (times.every && *times.every >= static_cast<double>(*limit - lead)) {
    finding.verdict = Verdict::warning;
    finding.figure += ": longer than an attempt";
    finding.remedy = fmt::format("a node that fails costs all of an attempt: checkpoint.every = {}min",
                                 std::max<std::int64_t>(1, *limit / 60 / 10));
  }
  return finding;
}

Findings check_slurm(const SlurmFacts& facts, const JobTimes& times) {
  if (!facts.answers) {
    Findings findings = {
        {kSlurm, "controller", Verdict::unknown, "none answers here (scontrol show config)"}};
    if (times.limit) findings.push_back(check_time_limit(facts, times));
    return findings;
  }
  Findings findings = {{kSlurm, "controller", Verdict::ok, fmt::format("Slurm {}", facts.version)}};
  for (const Finding& finding :
       {check_time_limit(facts, times), check_kill_wait(facts, times), check_preemption(facts, times),
        check_requeue(facts), check_unkillable(facts), check_credentials(facts)}) {
    findings.push_back(finding);
  }
  return findings;
}

}  // namespace vitrail::launcher
