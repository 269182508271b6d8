# shellcheck shell=bash disable=SC2034  # the job scripts use them
# Sourced by all job scripts: where things are at your site. Adapt these lines, or set the variables that they read.

vitrail=${VITRAIL:-build/release/vitrail}
runs=${VITRAIL_RUNS:-runs}       # a run's folder is in it, called as its config; on the shared file system
packs=${PACKS:-packs}            # where pack_*.sh write; the configs read packs/..., which may be a link
stage_dir=${VITRAIL_STAGE-/tmp}  # on each node's own disk, for the program and its libraries; empty: not copied
mpi=${VITRAIL_MPI-pmix}          # how srun joins ranks to one world: of `srun --mpi=list`; empty: Slurm's default
device=${VITRAIL_DEVICE:-cuda}   # what jobs that train and evaluate compute on: a job without its GPUs ends; or cpu

# What `vitrail submit` asks of Slurm; empty: nothing, Slurm has its own. The scripts of this folder ask by their #SBATCH lines.
partition=${VITRAIL_PARTITION:-}
account=${VITRAIL_ACCOUNT:-}
constraint=${VITRAIL_CONSTRAINT:-}
gpus_per_node=${VITRAIL_GPUS_PER_NODE:-}    # 8, or with their kind: a100:8
ranks_per_node=${VITRAIL_RANKS_PER_NODE:-}  # empty: one for each GPU
cpus_per_rank=${VITRAIL_CPUS_PER_RANK:-}
time_limit=${VITRAIL_TIME_LIMIT:-}          # of an attempt: 24:00:00
mail=${VITRAIL_MAIL:-}                      # who is told when a job ends or fails

# module load openmpi hdf5 boost
