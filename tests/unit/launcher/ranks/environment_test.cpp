#include "launcher/ranks/environment.hpp"

#include <map>

#include <gtest/gtest.h>

#include "trainer/base/error.hpp"

namespace vitrail::launcher {
namespace {

using Variables = std::map<std::string, std::string>;

Environment read(const Variables& variables) {
  return read_environment(
      [&](const std::string& name) {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
      },
      "node17");
}

std::string environment_refusal(const Variables& variables) {
  try {
    read(variables);
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.code())) + " " + error.what();
  }
  return "";
}

const Variables kOpenMpi = {{"OMPI_COMM_WORLD_RANK", "5"},
                            {"OMPI_COMM_WORLD_SIZE", "8"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}};
const Variables kBatch = {{"SLURM_JOB_ID", "77"}, {"SLURM_NNODES", "2"},  {"SLURM_PROCID", "0"},
                          {"SLURM_NTASKS", "7"},  {"SLURM_LOCALID", "0"}, {"SLURM_NODEID", "0"}};

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

TEST(Environment, AloneIsAWorldOfOne) {
  const Environment environment = read({});
  EXPECT_EQ(environment.launcher, Launcher::none);
  EXPECT_EQ(environment.rank, 0);
  EXPECT_EQ(environment.world, 1);
  EXPECT_EQ(environment.local_size, 1);
  EXPECT_FALSE(environment.slurm);
  EXPECT_EQ(environment.host, "node17");
}

TEST(Environment, OpenMpi) {
  const Environment environment = read(kOpenMpi);
  EXPECT_EQ(environment.launcher, Launcher::open_mpi);
  EXPECT_EQ(environment.rank, 5);
  EXPECT_EQ(environment.world, 8);
  EXPECT_EQ(environment.local_rank, 1);
  EXPECT_EQ(environment.local_size, 4);
}

TEST(Environment, BatchScriptIsNoStep) {
  const Environment environment = read(kBatch);
  EXPECT_EQ(environment.launcher, Launcher::none);
  EXPECT_EQ(environment.world, 1);
  ASSERT_TRUE(environment.slurm);
  EXPECT_EQ(environment.slurm->id, "77");
  EXPECT_EQ(environment.slurm->nodes, 2);
  EXPECT_EQ(environment.slurm->restart_count, 0);
  EXPECT_EQ(environment.slurm->array_task_id, "");
}

TEST(Environment, SlurmStep) {
  const Environment environment = read(with(kBatch, {{"PMIX_RANK", "5"},
                                                     {"SLURM_PROCID", "5"},
                                                     {"SLURM_LOCALID", "1"},
                                                     {"SLURM_NODEID", "1"},
                                                     {"SLURM_STEP_TASKS_PER_NODE", "4,3"},
                                                     {"SLURM_RESTART_COUNT", "2"},
                                                     {"SLURM_ARRAY_JOB_ID", "70"},
                                                     {"SLURM_ARRAY_TASK_ID", "3"}}));
  EXPECT_EQ(environment.launcher, Launcher::slurm);
  EXPECT_EQ(environment.rank, 5);
  EXPECT_EQ(environment.world, 7);
  EXPECT_EQ(environment.local_rank, 1);
  EXPECT_EQ(environment.local_size, 3);
  EXPECT_EQ(environment.slurm->restart_count, 2);
  EXPECT_EQ(environment.slurm->array_job_id, "70");
  EXPECT_EQ(environment.slurm->array_task_id, "3");
}

TEST(Environment, MpirunInsideAnAllocationIsOpenMpi) {
  const Environment environment = read(with(kBatch, with(kOpenMpi, {{"PMIX_RANK", "5"}})));
  EXPECT_EQ(environment.launcher, Launcher::open_mpi);
  EXPECT_EQ(environment.rank, 5);
  EXPECT_TRUE(environment.slurm);
}

TEST(Environment, ContradictionsNameTheVariable) {
  EXPECT_EQ(environment_refusal({{"OMPI_COMM_WORLD_RANK", "0"}}),
            "2 environment: OMPI_COMM_WORLD_SIZE is missing beside the launcher's other variables");
  EXPECT_EQ(environment_refusal(with(kOpenMpi, {{"OMPI_COMM_WORLD_SIZE", "many"}})),
            "2 environment: OMPI_COMM_WORLD_SIZE = many: expected a whole number");
  EXPECT_EQ(environment_refusal(with(kOpenMpi, {{"OMPI_COMM_WORLD_RANK", "-1"}})),
            "2 environment: OMPI_COMM_WORLD_RANK = -1: expected a whole number");
  EXPECT_EQ(environment_refusal(with(kOpenMpi, {{"OMPI_COMM_WORLD_RANK", "8"}})),
            "2 environment: the launcher says rank 8 of 8");
  EXPECT_EQ(environment_refusal(with(kOpenMpi, {{"OMPI_COMM_WORLD_LOCAL_RANK", "4"}})),
            "2 environment: the launcher says local rank 4 of 4");
  EXPECT_EQ(environment_refusal(with(
                kBatch, {{"PMIX_RANK", "0"}, {"SLURM_STEP_TASKS_PER_NODE", "4"}, {"SLURM_NODEID", "1"}})),
            "2 environment: SLURM_STEP_TASKS_PER_NODE = 4 does not tell the tasks of node 1");
}

// salloc's own shell is a step of one task, which still has the allocation's SLURM_NTASKS.
TEST(Environment, AnInteractiveStepIsAWorldOfOne) {
  const Environment environment = read(with(kBatch, {{"PMIX_RANK", "0"},
                                                     {"SLURM_STEP_NUM_TASKS", "1"},
                                                     {"SLURM_STEP_TASKS_PER_NODE", "1"},
                                                     {"SLURM_NODEID", "0"}}));
  EXPECT_EQ(environment.launcher, Launcher::slurm);
  EXPECT_EQ(environment.world, 1);
}

// As pam_slurm_adopt, containers and editors leave it.
TEST(Environment, APartOfASlurmJobIsNone) {
  for (const Variables& part :
       {Variables{{"SLURM_JOB_ID", "77"}}, Variables{{"SLURM_JOB_ID", "77"}, {"SLURM_NNODES", "x"}},
        Variables{{"SLURM_JOB_ID", "77"}, {"SLURM_PROCID", "0"}}}) {
    const Environment environment = read(part);
    EXPECT_FALSE(environment.slurm);
    EXPECT_EQ(environment.no_job, "SLURM_NNODES");
    EXPECT_EQ(environment.launcher, Launcher::none);
  }
  EXPECT_EQ(read({{"SLURM_JOBID", "77"}}).no_job, "SLURM_JOB_ID");
  EXPECT_EQ(read({}).no_job, "");
  EXPECT_EQ(read(kBatch).no_job, "");
}

// By srun with a plugin that Open MPI does not speak, or by another MPI's launcher.
TEST(Environment, TasksThatNobodyJoined) {
  const Variables step = with(kBatch, {{"SLURM_STEP_NUM_TASKS", "7"}, {"SLURM_PROCID", "3"}});
  const Environment plain = read(step);
  EXPECT_EQ(plain.launcher, Launcher::none);
  EXPECT_EQ(plain.unjoined.tasks, 7);
  EXPECT_EQ(plain.unjoined.number, 3);
  EXPECT_EQ(plain.unjoined.by, "srun without PMIx");
  EXPECT_EQ(read(with(step, {{"SLURM_MPI_TYPE", "pmi2"}, {"PMI_SIZE", "7"}})).unjoined.by, "srun --mpi=pmi2");
  EXPECT_EQ(read(with(kBatch, {{"SLURM_STEP_NUM_TASKS", "1"}})).unjoined.tasks, 1);
  EXPECT_EQ(read(kBatch).unjoined.tasks, 1);
  const Environment hydra = read({{"PMI_SIZE", "2"}, {"PMI_RANK", "1"}});
  EXPECT_EQ(hydra.unjoined.tasks, 2);
  EXPECT_EQ(hydra.unjoined.number, 1);
  const Variables joined = {{"PMIX_RANK", "3"}, {"SLURM_STEP_TASKS_PER_NODE", "4,3"}};
  EXPECT_EQ(read(with(step, joined)).unjoined.tasks, 1);
  EXPECT_EQ(read(with(step, kOpenMpi)).unjoined.tasks, 1) << "mpirun inside of a step";
}

TEST(Environment, PromisedGpus) {
  const auto by = [](const Variables& variables) { return read(variables).gpus.by; };
  EXPECT_EQ(by({}), "");
  EXPECT_EQ(by({{"SLURM_GPUS_ON_NODE", "8"}, {"SLURM_JOB_GPUS", "0,1"}}), "SLURM_GPUS_ON_NODE = 8");
  EXPECT_EQ(by({{"SLURM_GPUS_ON_NODE", "0"}}), "");
  EXPECT_EQ(by({{"SLURM_JOB_GPUS", "0,1"}}), "SLURM_JOB_GPUS = 0,1");
  EXPECT_EQ(by({{"SLURM_STEP_GPUS", "3"}}), "SLURM_STEP_GPUS = 3");
  EXPECT_EQ(by({{"SLURM_JOB_GPUS", ""}, {"CUDA_VISIBLE_DEVICES", "GPU-0a"}}),
            "CUDA_VISIBLE_DEVICES = GPU-0a");
  for (const char* none : {"", "-1", "NoDevFiles"}) {
    EXPECT_EQ(by({{"CUDA_VISIBLE_DEVICES", none}}), "") << none;
    EXPECT_FALSE(read({{"CUDA_VISIBLE_DEVICES", none}}).gpus.hidden);
    EXPECT_TRUE(read({{"CUDA_VISIBLE_DEVICES", none}, {"SLURM_GPUS_ON_NODE", "1"}}).gpus.hidden) << none;
  }
  EXPECT_FALSE(read({{"CUDA_VISIBLE_DEVICES", "0"}, {"SLURM_GPUS_ON_NODE", "1"}}).gpus.hidden);
}

TEST(Environment, WhereTemporaryFilesGo) {
  EXPECT_EQ(read({}).temporary.path, "/tmp");
  EXPECT_EQ(read({}).temporary.variable, "");
  EXPECT_EQ(read({{"TMPDIR", "/a"}, {"TMP", "/b"}}).temporary.path, "/a");
  EXPECT_EQ(read({{"TMPDIR", ""}, {"TMP", "/b"}}).temporary.variable, "TMP");
}

TEST(Environment, TasksOnNode) {
  EXPECT_EQ(tasks_on_node("4", 0), 4);
  EXPECT_EQ(tasks_on_node("2(x3),1", 0), 2);
  EXPECT_EQ(tasks_on_node("2(x3),1", 2), 2);
  EXPECT_EQ(tasks_on_node("2(x3),1", 3), 1);
  EXPECT_EQ(tasks_on_node("2(x3),1", 4), std::nullopt);
  for (const char* bad : {"", "x", "2(x", "2(x)", "2(3)", "(x2)", "2(x3),,1"}) {
    EXPECT_EQ(tasks_on_node(bad, 3), std::nullopt) << bad;
  }
}

TEST(Environment, OfThisProcessHasAHost) { EXPECT_FALSE(read_environment().host.empty()); }

}  // namespace
}  // namespace vitrail::launcher
