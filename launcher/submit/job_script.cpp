#include "launcher/submit/job_script.hpp"

#include <utility>

#include <fmt/format.h>

#include "launcher/options/shell_words.hpp"
#include "launcher/submit/sbatch.hpp"

namespace vitrail::launcher {
namespace {

std::string asked_of_slurm(const Site& site, const JobOfRun& job) {
  const std::string log = without_patterns((job.run / "").string()) + "%x-%j.log";
  const std::pair<const char*, std::string> options[] = {
      {"job-name", job.name()},
      {"partition", site.partition},
      {"account", site.account},
      {"constraint", site.constraint},
      {"nodes", std::to_string(job.nodes)},
      {"ntasks-per-node", std::to_string(site.ranks_on_node())},
      {"gpus-per-node", site.gpus_per_node},
      {"cpus-per-task", site.cpus_per_rank},
      {"time", job.time_limit.empty() ? site.time_limit : job.time_limit},
      {"mail-user", site.mail},
      {"mail-type", site.mail.empty() ? "" : "END,FAIL"},
      {"output", log}};
  std::string text;
  for (const auto& [name, value] : options) {
    if (!value.empty()) text += fmt::format("#SBATCH --{}={}\n", name, shell_quoted(value));
  }
  return text;
}

}  // namespace

std::string job_script(const Site& site, const JobOfRun& job) {
  return fmt::format(
      "#!/usr/bin/env bash\n"
      "# A run across requeues, by `vitrail submit`. Words after the script's name go to `vitrail launch` "
      "and win over the\n"
      "# settings.\n"
      "{}#SBATCH --requeue --open-mode=append --signal=B:USR1@{}\n\n"
      "export VITRAIL={}\n"
      "export VITRAIL_CONFIG={}\n"
      "source {}\n"
      "train {} \"$@\"\n",
      asked_of_slurm(site, job), kWarningSeconds, shell_quoted(job.program.string()),
      shell_quoted(job.config.string()), shell_quoted((job.scripts / "train.sh").string()),
      shell_quoted(job.name()));
}

}  // namespace vitrail::launcher
