#include "launcher/ranks/environment.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <sstream>

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include "trainer/base/error.hpp"
#include "trainer/base/text/number.hpp"

namespace vitrail::launcher {
namespace {

constexpr const char* kLaunch = "VITRAIL_LAUNCH";
constexpr const char* kJobEnds = "VITRAIL_JOB_ENDS";  // seconds since 1970

std::string text_of(const Lookup& lookup, const std::string& name) {
  const std::optional<std::string> value = lookup(name);
  if (!value) {
    throw Error(ExitCode::usage,
                fmt::format("environment: {} is missing beside the launcher's other variables", name));
  }
  return *value;
}

std::int64_t count_of(const Lookup& lookup, const std::string& name) {
  const std::string text = text_of(lookup, name);
  const std::optional<std::int64_t> value = whole_number<std::int64_t>(text);
  if (!value)
    throw Error(ExitCode::usage, fmt::format("environment: {} = {}: expected a whole number", name, text));
  return *value;
}

void read_open_mpi(const Lookup& lookup, Environment& environment) {
  environment.launcher = Launcher::open_mpi;
  environment.rank = count_of(lookup, "OMPI_COMM_WORLD_RANK");
  environment.world = count_of(lookup, "OMPI_COMM_WORLD_SIZE");
  environment.local_rank = count_of(lookup, "OMPI_COMM_WORLD_LOCAL_RANK");
  environment.local_size = count_of(lookup, "OMPI_COMM_WORLD_LOCAL_SIZE");
}

void read_slurm_step(const Lookup& lookup, Environment& environment) {
  environment.launcher = Launcher::slurm;
  environment.rank = count_of(lookup, "SLURM_PROCID");
  // The shell of an interactive step is one task, and its SLURM_NTASKS are the allocation's.
  environment.world =
      count_of(lookup, lookup("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS");
  environment.local_rank = count_of(lookup, "SLURM_LOCALID");
  const std::string tasks = text_of(lookup, "SLURM_STEP_TASKS_PER_NODE");
  const std::int64_t node = count_of(lookup, "SLURM_NODEID");
  const std::optional<std::int64_t> size = tasks_on_node(tasks, node);
  if (!size) {
    throw Error(ExitCode::usage,
                fmt::format("environment: SLURM_STEP_TASKS_PER_NODE = {} does not tell the tasks "
                            "of node {}",
                            tasks, node));
  }
  environment.local_size = *size;
}

std::optional<std::int64_t> count_if_any(const Lookup& lookup, const std::string& name) {
  return whole_number<std::int64_t>(lookup(name).value_or(""));
}

// SLURM_JOB_ID alone is what a login by ssh to a node of one's job brings along, an editor's terminal or a
// container: nothing can be started by srun from there, so it is no job.
void read_slurm_job(const Lookup& lookup, Environment& environment) {
  if (!lookup("SLURM_JOB_ID")) {
    if (lookup("SLURM_JOBID")) environment.no_job = "SLURM_JOB_ID";  // its old name, which Open MPI asks for
    return;
  }
  if (!count_if_any(lookup, "SLURM_NNODES")) {
    environment.no_job = "SLURM_NNODES";
    return;
  }
  SlurmJob& job = environment.slurm.emplace();
  job.id = text_of(lookup, "SLURM_JOB_ID");
  job.nodes = count_of(lookup, "SLURM_NNODES");
  if (lookup("SLURM_CPUS_PER_TASK")) job.cpus_per_task = count_of(lookup, "SLURM_CPUS_PER_TASK");
  if (lookup("SLURM_RESTART_COUNT")) job.restart_count = count_of(lookup, "SLURM_RESTART_COUNT");
  job.array_job_id = lookup("SLURM_ARRAY_JOB_ID").value_or("");
  job.array_task_id = lookup("SLURM_ARRAY_TASK_ID").value_or("");
}

// Of a process that no launcher of Open MPI's started as a rank. Only srun sets SLURM_STEP_NUM_TASKS, and
// PMI_SIZE is what the launchers of other MPIs set (and srun --mpi=pmi2).
Unjoined read_unjoined(const Lookup& lookup) {
  if (const auto tasks = count_if_any(lookup, "SLURM_STEP_NUM_TASKS"); tasks.value_or(1) > 1) {
    const std::string plugin = lookup("SLURM_MPI_TYPE").value_or("");
    return {*tasks, count_if_any(lookup, "SLURM_PROCID").value_or(0),
            plugin.empty() ? "srun without PMIx" : "srun --mpi=" + plugin};
  }
  if (const auto tasks = count_if_any(lookup, "PMI_SIZE"); tasks.value_or(1) > 1)
    return {*tasks, count_if_any(lookup, "PMI_RANK").value_or(0), "another MPI's launcher"};
  return {};
}

trainer::GpuPromise read_gpus(const Lookup& lookup) {
  trainer::GpuPromise gpus;
  const std::optional<std::string> visible = lookup("CUDA_VISIBLE_DEVICES");
  const bool none = visible && (visible->empty() || *visible == "-1" || *visible == "NoDevFiles");
  const auto take = [&](const char* name) { gpus.by = fmt::format("{} = {}", name, *lookup(name)); };
  if (count_if_any(lookup, "SLURM_GPUS_ON_NODE").value_or(0) > 0) {
    take("SLURM_GPUS_ON_NODE");
  } else if (!lookup("SLURM_JOB_GPUS").value_or("").empty()) {
    take("SLURM_JOB_GPUS");
  } else if (!lookup("SLURM_STEP_GPUS").value_or("").empty()) {
    take("SLURM_STEP_GPUS");
  } else if (visible && !none) {
    take("CUDA_VISIBLE_DEVICES");
  }
  gpus.hidden = none && !gpus.by.empty();
  return gpus;
}

// In Open MPI's order.
TemporaryFolder read_temporary_folder(const Lookup& lookup) {
  for (const char* name : {"OMPI_MCA_orte_tmpdir_base", "TMPDIR", "TEMP", "TMP"}) {
    const std::string path = lookup(name).value_or("");
    if (!path.empty()) return {path, name};
  }
  return {};
}

std::string read_locale(const Lookup& lookup) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = lookup(name).value_or("");
    if (!value.empty()) return fmt::format("{} = {}", name, value);
  }
  return "";
}

void check_places(const Environment& environment) {
  const auto inside = [](std::int64_t place, std::int64_t size, const char* what) {
    if (place < size) return;
    throw Error(ExitCode::usage,
                fmt::format("environment: the launcher says {} {} of {}", what, place, size));
  };
  inside(environment.rank, environment.world, "rank");
  inside(environment.local_rank, environment.local_size, "local rank");
}

}  // namespace

std::optional<std::int64_t> tasks_on_node(const std::string& tasks_per_node, std::int64_t node) {
  std::istringstream parts(tasks_per_node);
  for (std::string part; std::getline(parts, part, ',');) {
    std::optional<std::int64_t> repeats = 1;
    const std::size_t bracket = part.find("(x");
    if (bracket != std::string::npos) {
      if (part.back() != ')') return std::nullopt;
      repeats = whole_number<std::int64_t>(part.substr(bracket + 2, part.size() - bracket - 3));
    }
    const std::optional<std::int64_t> tasks = whole_number<std::int64_t>(part.substr(0, bracket));
    if (!tasks || !repeats) return std::nullopt;
    if (node < *repeats) return tasks;
    node -= *repeats;
  }
  return std::nullopt;
}

// Open MPI first: mpirun inside an allocation inherits the batch script's Slurm variables. These alone make
// no step either: a batch script has SLURM_PROCID too, and only srun --mpi=pmix adds PMIX_RANK.
Environment read_environment(const Lookup& lookup, const std::string& host) {
  Environment environment;
  environment.host = host;
  environment.launch = lookup(kLaunch).value_or("");
  if (lookup("OMPI_COMM_WORLD_RANK")) {
    read_open_mpi(lookup, environment);
  } else if (lookup("SLURM_PROCID") && lookup("PMIX_RANK")) {
    read_slurm_step(lookup, environment);
  } else {
    environment.unjoined = read_unjoined(lookup);
  }
  read_slurm_job(lookup, environment);
  if (environment.slurm && lookup(kJobEnds)) {
    environment.job_ends =
        std::chrono::system_clock::time_point(std::chrono::seconds(count_of(lookup, kJobEnds)));
  }
  environment.gpus = read_gpus(lookup);
  environment.temporary = read_temporary_folder(lookup);
  environment.locale = read_locale(lookup);
  check_places(environment);
  return environment;
}

Environment read_environment() {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) throw io_error("host name", "gethostname", errno);
  const auto lookup = [](const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  return read_environment(lookup, host.data());
}

void pass_on_launch(const std::string& id) { ::setenv(kLaunch, id.c_str(), 1); }

void pass_on_job_end(std::chrono::system_clock::time_point end) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(end.time_since_epoch()).count();
  ::setenv(kJobEnds, std::to_string(seconds).c_str(), 1);
}

void ask_for_same_sums() {
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  // Without it MKL's products of small matrices depend on the number of threads on AMD's processors.
  ::setenv("MKL_CBWR", "AUTO", 0);
}

void hush_profiler() {
  constexpr const char* kNothing = "99";
  std::error_code none;
  if (!std::filesystem::exists("/proc/driver/nvidia", none)) ::setenv("KINETO_LOG_LEVEL", kNothing, 0);
}

void keep_memory() {
  constexpr int kLargestOfHeap = 32 << 20, kKept = std::numeric_limits<int>::max();  // glibc's most; bytes
  ::mallopt(M_MMAP_THRESHOLD, kLargestOfHeap);
  ::mallopt(M_TRIM_THRESHOLD, kKept);
  ::setenv("THP_MEM_ALLOC_ENABLE", "1", 0);  // LibTorch's
}

}  // namespace vitrail::launcher
