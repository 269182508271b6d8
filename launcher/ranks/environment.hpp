// What the surroundings tell this process: who started it, which rank it is, and the Slurm job around it.
// The only place that reads environment variables; a pure value, so that nothing changes behind anyone's
// back. Throws: Error(usage) naming the variable, where a launcher's variables are missing or contradict each
// other.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "trainer/device/gpu_promise.hpp"

namespace vitrail::launcher {

enum class Launcher { none, open_mpi, slurm };

struct SlurmJob {
  std::string id;
  std::int64_t nodes = 1;                     // of the allocation; inside a step, of the step
  std::optional<std::int64_t> cpus_per_task;  // absent: sbatch was not told
  std::int64_t restart_count = 0;             // Slurm leaves it out before the first requeue
  std::string array_job_id;                   // empty: not of an array
  std::string array_task_id;
};

// Tasks that somebody started together and that did not become ranks of one world: each would be alone.
struct Unjoined {
  std::int64_t tasks = 1;  // 1: nothing of the kind
  std::int64_t number = 0;
  std::string by;  // "srun --mpi=pmi2", "another MPI's launcher"
};

// Where temporary files go, and who says so: "TMPDIR"; empty: nobody, it is the system's.
struct TemporaryFolder {
  std::string path = "/tmp", variable;
};

struct Environment {
  Launcher launcher = Launcher::none;
  std::int64_t rank = 0, world = 1;
  std::int64_t local_rank = 0, local_size = 1;  // among the ranks of this node
  Unjoined unjoined;
  std::optional<SlurmJob> slurm;  // absent: not inside an allocation
  std::string no_job;  // the variable for which a job id makes no job; empty: it does, or is not set
  trainer::GpuPromise gpus;
  TemporaryFolder temporary;
  // End of the job's time limit, as `launch` passed it on; absent: unknown or none.
  std::optional<std::chrono::system_clock::time_point> job_ends;
  std::string locale;  // "LANG = en_US.UTF-8"; empty: nobody asks for one
  std::string launch;  // which `vitrail launch` started this process; empty: none did
  std::string host;
};

using Lookup = std::function<std::optional<std::string>(const std::string& name)>;

Environment read_environment(const Lookup& lookup, const std::string& host);
Environment read_environment();  // of this process

// Tasks on node `node` of Slurm's short form: "2(x3),1" is 2, 2, 2, 1. Absent: malformed, or too few nodes.
std::optional<std::int64_t> tasks_on_node(const std::string& tasks_per_node, std::int64_t node);

// To programs that this one starts.
void pass_on_launch(const std::string& id);
void pass_on_job_end(std::chrono::system_clock::time_point end);

// cuBLAS sums in the same order on every call only with a workspace of its own, MKL on any number of threads
// only where it is told to: for this process, before it computes anything. What the user has set stays.
void ask_for_same_sums();

// LibTorch's profiler looks for GPUs, and on a machine without NVIDIA's driver complains that there is none.
// What the user has set stays.
void hush_profiler();

// A step asks for the memory of the step before: it stays with the process instead of going back to the
// system, which would clear each page again, and lies in large pages. Before anything is computed.
void keep_memory();

}  // namespace vitrail::launcher
