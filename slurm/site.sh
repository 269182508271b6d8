# shellcheck shell=bash disable=SC2034  # the job scripts use them
# Sourced by all job scripts: where things are at your site. Adapt these lines, or set the variables that they read.

vitrail=${VITRAIL:-build/release/vitrail}
runs=${VITRAIL_RUNS:-runs}       # a run's folder is in it, called as its config; on the shared file system
packs=${PACKS:-packs}            # where pack_*.sh write; the configs read packs/..., which may be a link
stage_dir=${VITRAIL_STAGE-/tmp}  # on each node's own disk, for the program and its libraries; empty: not copied
mpi=${VITRAIL_MPI-pmix}          # how srun joins ranks to one world: of `srun --mpi=list`; empty: Slurm's default
device=${VITRAIL_DEVICE:-cuda}   # what jobs that train and evaluate compute on: a job without its GPUs ends; or cpu
# module load openmpi hdf5 boost
