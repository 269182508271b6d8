#include "launcher/spawn_plan.hpp"

#include <algorithm>

#include <boost/program_options/parsers.hpp>

namespace vitrail::launcher {
namespace {

// One rank per `run.threads` cores of this host, but no rank without a lane.
std::int64_t slots(const CommandLine& line, unsigned cores) {
  const auto fitting = static_cast<std::int64_t>(cores) / line.config.run.threads;
  return std::clamp<std::int64_t>(fitting, 1, line.config.run.lanes);
}

SpawnPlan by_mpirun(const CommandLine& line, std::int64_t ranks, unsigned cores, bool root) {
  const std::int64_t threads = line.config.run.threads;
  SpawnPlan plan;
  plan.words = {"mpirun", "-n", std::to_string(ranks), "--quiet"};
  if (root) plan.words.emplace_back("--allow-run-as-root");
  const bool fits = ranks * threads <= static_cast<std::int64_t>(cores);
  const std::vector<std::string> placing =
      fits ? std::vector<std::string>{"--map-by", fmt::format("slot:PE={}", threads), "--bind-to", "core"}
           : std::vector<std::string>{"--oversubscribe", "--bind-to", "none"};
  plan.words.insert(plan.words.end(), placing.begin(), placing.end());
  plan.summary = fmt::format("{} rank{} by mpirun on this host, ", ranks, ranks == 1 ? "" : "s") +
                 (fits ? fmt::format("{} core{} each", threads, threads == 1 ? "" : "s")
                       : fmt::format("more than its {} cores: not bound", cores));
  return plan;
}

SpawnPlan by_srun(const CommandLine& line, std::int64_t ranks, std::int64_t nodes) {
  SpawnPlan plan;
  plan.words = {"srun",
                "--mpi=pmix",
                "--kill-on-bad-exit=1",
                fmt::format("--nodes={}", nodes),
                fmt::format("--ntasks={}", ranks),
                fmt::format("--cpus-per-task={}", line.config.run.threads)};
  for (const std::string& word : boost::program_options::split_unix(line.launch.srun_args))
    plan.words.push_back(word);
  plan.summary = fmt::format("{} rank{} by srun on {} node{}", ranks, ranks == 1 ? "" : "s", nodes,
                             nodes == 1 ? "" : "s");
  return plan;
}

}  // namespace

SpawnPlan plan_spawn(const CommandLine& line, const Environment& environment, const std::string& program,
                     unsigned cores, bool root) {
  const LaunchConfig& launch = line.launch;
  const bool in_slurm = environment.slurm.has_value();
  if (launch.via == Via::srun && !in_slurm) {
    throw Error(ExitCode::refused, "launch.via = srun, but this is no Slurm job (SLURM_JOB_ID is not set)",
                "submit it with sbatch, or leave launch.via out");
  }
  const bool srun = launch.via == Via::srun || (launch.via == Via::automatic && in_slurm);
  if (!srun && launch.nodes.value_or(1) > 1) {
    throw Error(ExitCode::refused,
                fmt::format("--nodes {}: without Slurm, ranks start on this host only", *launch.nodes),
                "submit the job with sbatch");
  }
  const std::int64_t nodes = launch.nodes.value_or(srun ? environment.slurm->nodes : 1);
  std::int64_t ranks = launch.ranks.value_or(0);
  if (ranks == 0) ranks = launch.gpus_per_node ? nodes * *launch.gpus_per_node : nodes * slots(line, cores);
  SpawnPlan plan = srun ? by_srun(line, ranks, nodes) : by_mpirun(line, ranks, cores, root);
  plan.words.push_back(program);
  plan.words.emplace_back("train");
  plan.words.insert(plan.words.end(), line.train_arguments.begin(), line.train_arguments.end());
  return plan;
}

}  // namespace vitrail::launcher
